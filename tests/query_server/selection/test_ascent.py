"""The ascent against a classifier whose optimum is known."""

import numpy as np
import pytest

from query_server.ascending import Ascended
from query_server.errors import DowserError, Reason, cancelled
from query_server.selection.ascent import synthesize
from query_server.selection.values import SynthesisOptions
from query_server.timing import StageClock


class Hill:
    """score(z) = -|z - 1|², climbed by plain gradient steps; x is z."""

    latent_dim = 3

    def prepare_ascent(self):
        """Nothing to compile."""

    def ascend(self, z, *, options, before_step):
        initial = -np.square(z - 1).sum(1)
        for _ in range(options.steps):
            before_step()
            z = z + options.step_size * 2 * (1 - z)
        return Ascended(x=z, latents=z, scores=-np.square(z - 1).sum(1), initial_scores=initial)

    def encode(self, x):
        return 2 * x


def never(stage):
    """The caller waits for ever."""


def run(*, latents=5, steps=100, step_size=0.05, seed=0, checkpoint=never, start_from=None, warm_start=0.0):
    return synthesize(
        Hill(),
        latents=latents,
        options=SynthesisOptions(steps=steps, step_size=step_size, warm_start=warm_start),
        rng=np.random.default_rng(seed),
        clock=StageClock(),
        checkpoint=checkpoint,
        start_from=start_from,
    )


def test_ascent_reaches_the_optimum():
    made = run(steps=400)
    np.testing.assert_allclose(made.x, 1, atol=0.05)
    assert (made.scores > made.initial_scores).all()
    np.testing.assert_array_equal(made.features, 2 * made.x)


def test_the_same_seed_makes_the_same_samples():
    np.testing.assert_array_equal(run(seed=4).x, run(seed=4).x)
    assert not np.array_equal(run(seed=4).x, run(seed=5).x)


def test_ascent_stops_between_steps_when_the_caller_is_gone():
    asked = []

    def gone_after_three(stage):
        asked.append(stage)
        if len(asked) > 3:
            raise cancelled(stage)

    with pytest.raises(DowserError) as stopped:
        run(checkpoint=gone_after_three)
    assert stopped.value.reason is Reason.CANCELLED
    assert len(asked) == 4


def test_a_warm_start_begins_where_the_last_ascent_ended_as_far_as_it_is_told():
    last = np.full((4, 3), 9, np.float32)
    tops = run(latents=6, steps=1, step_size=1e-6, start_from=last, warm_start=0.5).x
    cold = run(latents=6, steps=1, step_size=1e-6).x
    np.testing.assert_allclose(tops[::2], 9, atol=1e-3)  # spread over the batch
    np.testing.assert_array_equal(tops[1::2], cold[1::2])
    # Six are asked for and four are there: all four are used, the others are drawn as ever.
    most = run(latents=6, steps=1, step_size=1e-6, start_from=last, warm_start=1.0).x
    np.testing.assert_allclose(most[[0, 1, 3, 4]], 9, atol=1e-3)
    np.testing.assert_array_equal(most[[2, 5]], cold[[2, 5]])


@pytest.mark.parametrize("stale", [np.zeros((0, 0), np.float32), np.full((4, 2), 9, np.float32), None])
def test_latents_of_another_generator_are_no_start(stale):
    np.testing.assert_array_equal(run(start_from=stale, warm_start=1.0).x, run().x)


@pytest.mark.parametrize(
    "wrong",
    [
        {"latents": -1},
        {"latents": 5000},
        {"steps": 0},
        {"steps": 10_001},
        {"step_size": 0.0},
        {"warm_start": 1.1},
        {"early_stop": 1.0},
        {"latent_prior": -1.0},
        {"repulsion": 1001.0},
        {"repulsion": float("nan")},
    ],
)
def test_options_outside_their_limits_are_refused(wrong):
    with pytest.raises(DowserError) as refused:
        SynthesisOptions(**wrong)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.metadata["field"] in wrong
