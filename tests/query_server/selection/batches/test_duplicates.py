"""Near-duplicates in feature space."""

import numpy as np

from query_server.selection.batches.duplicates import without_duplicates


def kept(points, *, distance=1.0, count=1):
    features = np.array(points, np.float32).reshape(len(points), -1)
    return without_duplicates(features, np.arange(len(points)), distance=distance, count=count).tolist()


def test_what_is_near_a_better_candidate_is_dropped():
    # Nearest others at 1, 1, 3, 3, 10: the median is 3.
    assert kept([0, 1, 10, 13, 23], distance=0.5) == [0, 2, 3, 4]
    assert kept([0, 1, 10, 13, 23], distance=1.1) == [0, 2, 4]


def test_what_is_near_a_dropped_candidate_alone_is_kept():
    # Every nearest other is at 2: 2 is dropped for 0, which leaves 4 nothing near.
    assert kept([0, 2, 4], distance=1.5) == [0, 2]


def test_exact_copies_are_dropped_even_where_most_are_copies():
    points = np.repeat(np.random.default_rng(0).normal(size=(6, 20)) + 100, 5, axis=0)
    assert kept(points, distance=0.1) == [0, 5, 10, 15, 20, 25]


def test_the_best_of_the_dropped_are_put_back_to_reach_the_count():
    assert kept([0, 1, 10, 13, 23], distance=1.1, count=4) == [0, 1, 2, 4]
    assert kept([0, 0, 0], count=9) == [0, 1, 2]


def test_the_order_given_decides_which_of_two_is_better():
    features = np.array([[0.0], [1.0], [10.0], [20.0]], np.float32)
    order = np.array([3, 1, 0, 2])
    assert without_duplicates(features, order, distance=0.5, count=1).tolist() == [3, 1, 2]


def test_blocks_change_nothing(monkeypatch):
    points = np.random.default_rng(1).normal(size=(50, 3))
    whole = kept(points, distance=1.5)
    monkeypatch.setattr("query_server.selection.batches.distances._BLOCK_ENTRIES", 350)
    assert kept(points, distance=1.5) == whole
    assert len(whole) < 50
