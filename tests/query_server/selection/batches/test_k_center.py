"""Farthest-first traversal."""

from itertools import combinations

import numpy as np

from query_server.selection.batches.k_center import choose_by_k_center


def test_the_farthest_from_labels_and_picks_comes_first(shortlist_of, rng):
    line = [[1.0], [4.0], [6.0], [9.0]]
    shortlist = shortlist_of(embedding=line, labeled=[[0.0]])
    # 9 is farthest from 0; then 4 (4 from 0, 5 from 9) beats 6 (3 from 9); then 6 (2) beats 1 (1).
    assert choose_by_k_center(shortlist, 4, 1.0, rng).tolist() == [3, 1, 2, 0]


def test_without_labels_the_highest_score_comes_first(shortlist_of, rng):
    shortlist = shortlist_of(embedding=[[5.0], [4.0], [0.0], [9.0]])
    assert choose_by_k_center(shortlist, 2, 1.0, rng).tolist() == [0, 2]


def test_many_labels_are_compared_in_blocks(shortlist_of, rng, monkeypatch):
    made = np.random.default_rng(0)
    shortlist = shortlist_of(size=40, labeled=made.normal(size=(30, 4)))
    whole = choose_by_k_center(shortlist, 10, 1.0, rng)
    monkeypatch.setattr("query_server.selection.batches.distances._BLOCK_ENTRIES", 90)
    assert choose_by_k_center(shortlist, 10, 1.0, rng).tolist() == whole.tolist()


def test_the_radius_is_at_most_twice_the_best(shortlist_of, rng):
    for seed in range(10):
        points = np.random.default_rng(seed).normal(size=(9, 2)).astype(np.float32)
        distances = np.linalg.norm(points[:, None] - points[None], axis=2)
        chosen = choose_by_k_center(shortlist_of(embedding=points), 3, 1.0, rng)
        best = min(distances[:, list(centers)].min(1).max() for centers in combinations(range(9), 3))
        assert distances[:, chosen].min(1).max() <= 2 * best + 1e-5
