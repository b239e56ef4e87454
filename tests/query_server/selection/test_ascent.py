"""The ascent against a classifier whose optimum is known, and against torch's Adam."""

import numpy as np
import pytest
import torch

from query_server.errors import DowserError, Reason, cancelled
from query_server.selection.ascent import synthesize
from query_server.selection.values import SynthesisOptions


class Bowl:
    """score(z) = -|z - 1|², highest at z = 1; x is z."""

    latent_dim = 3

    def step(self, z):
        return -np.square(z - 1).sum(1), 2 * (1 - z)

    def spread(self, work, z):
        return [work(part) for part in np.array_split(z, 2)]

    def render(self, z):
        return z.copy(), -np.square(z - 1).sum(1)


def never(stage):
    """The caller waits for ever."""


def run(*, latents=5, steps=100, step_size=0.05, seed=0, checkpoint=never):
    return synthesize(
        Bowl(),
        latents=latents,
        options=SynthesisOptions(steps=steps, step_size=step_size),
        rng=np.random.default_rng(seed),
        checkpoint=checkpoint,
    )


def test_ascent_reaches_the_optimum():
    made = run(steps=400)
    np.testing.assert_allclose(made.x, 1, atol=0.05)
    assert (made.scores > made.initial_scores).all()


def test_ascent_takes_the_same_steps_as_torchs_adam():
    z = torch.from_numpy(np.random.default_rng(3).standard_normal((5, 3), dtype=np.float32)).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.05, maximize=True)
    for _ in range(25):
        adam.zero_grad()
        (-(z - 1).square().sum()).backward()
        adam.step()
    made = run(steps=25, seed=3)
    np.testing.assert_allclose(made.x, z.detach().numpy(), atol=1e-5)


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
