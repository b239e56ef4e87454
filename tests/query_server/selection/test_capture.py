"""The estimate of capture on pools whose best are known."""

import math

import numpy as np
import pytest

from query_server.selection.capture import MIN_DRAWS, estimate_capture, top_mean

POOL, BUDGET = 50_000, 50
DISTRIBUTIONS = {
    "exponential": lambda rng: rng.exponential(1.0, POOL),
    "uniform": lambda rng: rng.random(POOL),
    "beta": lambda rng: rng.beta(1, 6, POOL),
    "entropies": lambda rng: np.log(10) * rng.beta(0.3, 2.5, POOL),
}


def estimate(batch, draws, *, best_seen=(0.0,), pool=POOL, bound=math.inf, seed=0):
    return estimate_capture(
        np.asarray(batch, np.float32),
        np.asarray(draws, np.float32),
        best_seen=np.asarray(best_seen, np.float32),
        pool=pool,
        bound=bound,
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_interval_covers_the_truth_in_most_seeds(name):
    covered, errors = 0, []
    for seed in range(50):
        rng = np.random.default_rng(seed)
        scores = DISTRIBUTIONS[name](rng)
        best = np.sort(scores)[::-1][:BUDGET]
        draws = rng.choice(scores, 1000, replace=False)
        batch = np.sort(draws)[::-1][:BUDGET]  # the top of a random subset
        truth = batch.mean() / best.mean()
        told = estimate(batch, draws, best_seen=batch, seed=seed)
        assert told.low <= told.high
        covered += told.low <= truth <= told.high
        errors.append(abs(told.value - truth) / truth)
    assert covered >= 30
    assert np.median(errors) < 0.15


def test_no_batch_captures_more_than_everything():
    draws = np.random.default_rng(0).random(100)
    best = np.full(BUDGET, 2.0)  # beyond whatever the draws let expect
    told = estimate(best, draws, best_seen=best)
    assert (told.value, told.low, told.high) == pytest.approx((1, 1, 1))


def test_a_bound_on_scores_bounds_the_best_there_can_be():
    draws = np.random.default_rng(0).exponential(1.0, 400)
    batch = np.full(BUDGET, 1.5)
    free, bounded = (estimate(batch, draws, bound=bound) for bound in (math.inf, 2.0))
    assert free.value < 0.75
    assert bounded.value == pytest.approx(0.75)


def test_a_large_part_needs_no_extrapolation():
    draws = np.arange(1000, dtype=float)
    assert top_mean(draws, 0.5) == pytest.approx(draws[500:].mean())


@pytest.mark.parametrize("draws", [np.full(500, 0.7), np.zeros(500)])
def test_equal_draws_are_their_own_best(draws):
    assert top_mean(draws, 1e-3) == pytest.approx(draws[0])
    told = estimate(draws[:BUDGET], draws, best_seen=draws[:BUDGET])
    assert math.isfinite(told.value)


def test_too_few_draws_and_scores_below_zero_are_no_ground_for_an_estimate():
    some = np.random.default_rng(0).random(MIN_DRAWS)
    assert estimate(some[:5], some).draws == MIN_DRAWS
    assert estimate(some[:5], some[1:]) is None
    assert estimate(some[:5], some - 0.5) is None
    assert estimate(some[:5] - 1, some) is None
