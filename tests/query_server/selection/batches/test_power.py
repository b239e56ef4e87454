"""Sampling in proportion to scores."""

import numpy as np
import pytest

from query_server.selection.batches.power import choose_by_gibbs, choose_by_power


def first_picks(choose, shortlist, coldness, draws=4000):
    rng = np.random.default_rng(0)
    firsts = [choose(shortlist, 1, coldness, rng)[0] for _ in range(draws)]
    return np.bincount(firsts, minlength=len(shortlist)) / draws


def test_power_draws_in_proportion_to_a_power_of_the_score(shortlist_of):
    shortlist = shortlist_of(scores=[3.0, 2.0, 1.0])
    np.testing.assert_allclose(first_picks(choose_by_power, shortlist, 1.0), [3 / 6, 2 / 6, 1 / 6], atol=0.03)
    np.testing.assert_allclose(
        first_picks(choose_by_power, shortlist, 2.0), [9 / 14, 4 / 14, 1 / 14], atol=0.03
    )


def test_gibbs_draws_in_proportion_to_the_exponential_in_standard_deviations(shortlist_of):
    scores = np.array([30.0, 20.0, 10.0])
    weights = np.exp(scores / scores.std())
    shares = first_picks(choose_by_gibbs, shortlist_of(scores=scores), 1.0)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=0.03)


@pytest.mark.parametrize("choose", [choose_by_power, choose_by_gibbs])
def test_a_high_coldness_takes_the_top(choose, shortlist_of, rng):
    scores = np.geomspace(64, 1, 7)
    assert choose(shortlist_of(scores=scores), 2, 100.0, rng).tolist() == [0, 1]


def test_power_never_draws_a_zero_before_a_positive_score(shortlist_of, rng):
    shortlist = shortlist_of(scores=[1.0, 0.5, 0.0, 0.0, 0.0])
    for _ in range(50):
        assert set(choose_by_power(shortlist, 2, 1.0, rng).tolist()) == {0, 1}


def test_power_shifts_negative_scores_so_that_the_lowest_is_zero(shortlist_of):
    shares = first_picks(choose_by_power, shortlist_of(scores=[-1.0, -3.0, -4.0]), 1.0)
    np.testing.assert_allclose(shares, [3 / 4, 1 / 4, 0], atol=0.03)


@pytest.mark.parametrize("choose", [choose_by_power, choose_by_gibbs])
def test_equal_scores_are_drawn_uniformly(choose, shortlist_of):
    shares = first_picks(choose, shortlist_of(scores=np.full(4, 2.0)), 1.0)
    np.testing.assert_allclose(shares, 0.25, atol=0.03)
