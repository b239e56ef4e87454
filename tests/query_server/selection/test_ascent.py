"""The ascent against a classifier whose optimum is known."""

import numpy as np
import pytest

from query_server.errors import DowserError, Reason, cancelled
from query_server.selection.ascent import synthesize
from query_server.selection.values import SynthesisOptions


class Hill:
    """score(z) = -|z - 1|², climbed by plain gradient steps; x is z."""

    latent_dim = 3

    def ascend(self, z, *, steps, step_size, before_step):
        initial = -np.square(z - 1).sum(1)
        for _ in range(steps):
            before_step()
            z = z + step_size * 2 * (1 - z)
        return z, -np.square(z - 1).sum(1), initial


def never(stage):
    """The caller waits for ever."""


def run(*, latents=5, steps=100, step_size=0.05, seed=0, checkpoint=never):
    return synthesize(
        Hill(),
        latents=latents,
        options=SynthesisOptions(steps=steps, step_size=step_size),
        rng=np.random.default_rng(seed),
        checkpoint=checkpoint,
    )


def test_ascent_reaches_the_optimum():
    made = run(steps=400)
    np.testing.assert_allclose(made.x, 1, atol=0.05)
    assert (made.scores > made.initial_scores).all()


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


@pytest.mark.parametrize(
    "wrong", [{"latents": -1}, {"latents": 5000}, {"steps": 0}, {"steps": 10_001}, {"step_size": 0.0}]
)
def test_options_outside_their_limits_are_refused(wrong):
    with pytest.raises(DowserError) as refused:
        SynthesisOptions(**wrong)
    assert refused.value.reason is Reason.INVALID_ARGUMENT
    assert refused.value.metadata["field"] in wrong
