"""The climb without a gradient, on hills whose summit is known."""

import numpy as np
import pytest

from query_server.models.cross_entropy import climb, plan

SUMMIT = 1.5


class Hill:
    """score(z) = -|z - summit|, in steps: it has no gradient anywhere."""

    def __init__(self):
        self.scored = 0

    def __call__(self, z):
        self.scored += len(z)
        return -np.round(np.linalg.norm(z - SUMMIT, axis=1), 1).astype(np.float32)


def starts(count=20, latent_dim=5, seed=0):
    return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype=np.float32)


def run(z, *, steps=100, hill=None):
    return climb(z, hill or Hill(), steps=steps, before_generation=lambda: None)


def test_the_climb_nears_the_summit():
    z = starts()
    best, initial = run(z)
    np.testing.assert_array_equal(initial, Hill()(z))
    after = -Hill()(best)
    assert after.mean() < 0.25 * -initial.mean()


@pytest.mark.parametrize("steps", [1, 2, 10, 16, 17, 40])
def test_no_latent_ends_below_its_start(steps):
    best, initial = run(starts(), steps=steps)
    assert (Hill()(best) >= initial).all()


@pytest.mark.parametrize("steps", [1, 7, 16, 30, 100, 101])
def test_a_latent_asks_for_at_most_as_many_scores_as_steps(steps):
    hill = Hill()
    run(starts(count=3), steps=steps, hill=hill)
    assert 3 * max(1, steps - 6) < hill.scored + 1 <= 3 * steps + 1


def test_generations_are_what_the_draws_leave():
    assert plan(1) == (1, 0)
    assert plan(16) == (16, 0)
    assert plan(100) == (16, 14)


def test_the_same_starts_lead_to_the_same_latents_and_others_to_others():
    np.testing.assert_array_equal(run(starts(seed=4))[0], run(starts(seed=4))[0])
    assert not np.array_equal(run(starts(seed=4))[0], run(starts(seed=5))[0])


def test_starts_are_not_changed():
    z = starts()
    before = z.copy()
    run(z)
    np.testing.assert_array_equal(z, before)


def test_the_climb_stops_between_generations_when_the_caller_is_gone():
    hill, asked = Hill(), []

    def gone_after_three():
        asked.append(None)
        if len(asked) > 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        climb(starts(count=2), hill, steps=100, before_generation=gone_after_three)
    assert hill.scored == 2 * (16 + 6 + 6)
