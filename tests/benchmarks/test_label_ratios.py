from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.label_efficiency.ratios import geometric_mean, label_ratio, labels_needed

LABELS = [100, 200, 300]


def test_labels_needed_lie_on_the_line_between_two_rounds() -> None:
    curve = np.array([0.5, 0.7, 0.8])
    assert labels_needed(LABELS, curve, 0.6) == pytest.approx(150)
    assert labels_needed(LABELS, curve, 0.775) == pytest.approx(275)
    assert labels_needed(LABELS, curve, 0.81) is None


def test_a_dip_does_not_count_as_reaching_a_level_twice() -> None:
    dips = np.array([0.5, 0.7, 0.6, 0.9])
    assert labels_needed([100, 200, 300, 400], dips, 0.8) == pytest.approx(350)
    assert labels_needed([100, 200, 300, 400], dips, 0.65) == pytest.approx(175)


def test_the_ratio_is_the_geometric_mean_over_ten_levels_of_the_rivals_gain() -> None:
    ours, theirs = np.array([[0.5, 0.9, 0.9]]), np.array([[0.5, 0.7, 0.9]])
    found = label_ratio(LABELS, ours, theirs)
    # Ours rises by 0.4 in the first hundred labels, theirs by 0.2 in each.
    levels = [0.62 + 0.28 * i / 9 for i in range(10)]
    logs = [math.log((100 + 250 * (level - 0.5)) / (100 + 500 * (level - 0.5))) for level in levels]
    assert found is not None
    assert found.value == pytest.approx(math.exp(sum(logs) / 10))
    assert (found.unreached, found.levels) == (0, 10)


def test_levels_never_reached_count_with_the_last_label_count() -> None:
    ours, theirs = np.array([[0.5, 0.5, 0.5]]), np.array([[0.5, 0.9, 0.9]])
    found = label_ratio(LABELS, ours, theirs)
    logs = [math.log(300 / (100 + 250 * (0.12 + 0.28 * i / 9))) for i in range(10)]
    assert found is not None and found.unreached == 10
    assert found.value == pytest.approx(math.exp(sum(logs) / 10))


def test_a_strategy_needs_as_many_labels_as_itself() -> None:
    runs = np.array([[0.5, 0.7, 0.9], [0.4, 0.8, 0.85]])
    found = label_ratio(LABELS, runs, runs)
    assert found is not None and (found.value, found.low, found.high) == pytest.approx((1.0, 1.0, 1.0))


def test_the_error_is_the_jackknife_of_two_seeds() -> None:
    fast, slow = [0.5, 0.9, 0.9], [0.5, 0.7, 0.9]
    ours, theirs = np.array([fast, slow]), np.array([slow, slow])
    alone = label_ratio(LABELS, np.array([fast]), np.array([slow]))
    found = label_ratio(LABELS, ours, theirs)
    assert found is not None and alone is not None
    # Leaving one of two out leaves the logs log(alone) and 0: their standard error is half their distance.
    assert math.log(found.high / found.value) == pytest.approx(abs(math.log(alone.value)) / 2)


def test_a_rival_that_learns_nothing_gives_no_ratio() -> None:
    assert label_ratio(LABELS, np.array([[0.5, 0.6, 0.7]]), np.array([[0.5, 0.5, 0.4]])) is None


def test_the_geometric_mean_of_nothing_is_no_number() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert math.isnan(geometric_mean([]))
