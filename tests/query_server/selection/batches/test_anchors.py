"""Algorithms 1 and 2 of M2-VAAL: the farthest of each class, and the least confident weighted by that distance."""

import numpy as np

from query_server.selection.batches.anchor_confidence import choose_by_anchor_confidence
from query_server.selection.batches.anchor_distance import choose_by_anchor_distance

LINE = np.array([[0.0], [1], [5], [9], [100], [104]])


def test_every_class_gets_its_part_and_in_it_the_farthest_come_first(shortlist_of, rng):
    shortlist = shortlist_of(
        embedding=LINE,
        predicted=[0, 0, 0, 0, 1, 1],
        probabilities=np.full((6, 2), 0.5),
        labeled=[[0.0], [100.0]],
        labeled_classes=[0, 1],
        label_counts=[1, 1],
    )
    assert choose_by_anchor_distance(shortlist, 4, 1.0, rng).tolist() == [3, 5, 0, 4]


def test_a_class_without_candidates_left_is_passed_over(shortlist_of, rng):
    shortlist = shortlist_of(
        embedding=LINE, predicted=[0, 0, 0, 0, 0, 1], probabilities=np.full((6, 2), 0.5), label_counts=[1, 1]
    )
    chosen = choose_by_anchor_distance(shortlist, 5, 1.0, rng)
    assert (shortlist.predicted[chosen] == 1).sum() == 1


def test_anchors_of_another_class_do_not_count(shortlist_of, rng):
    near, far = (
        shortlist_of(
            embedding=LINE[:4],
            predicted=[0, 0, 0, 0],
            probabilities=np.full((4, 2), 0.5),
            labeled=[[0.0], other],
            labeled_classes=[0, 1],
            label_counts=[1, 1],
        )
        for other in ([3.0], [1e6])
    )
    assert (
        choose_by_anchor_distance(near, 4, 1.0, rng).tolist()
        == choose_by_anchor_distance(far, 4, 1.0, rng).tolist()
    )


def test_doubt_and_distance_are_multiplied(shortlist_of, rng):
    top = np.array([0.5, 0.9, 0.6, 0.99])
    shortlist = shortlist_of(
        embedding=[[0.0], [8], [5], [10]],
        predicted=[0, 0, 0, 0],
        probabilities=np.stack([top, 1 - top], axis=1),
        labeled=[[0.0]],
        labeled_classes=[0],
        label_counts=[1, 0],
    )
    # (1 - p) d / 10: 0, 0.08, 0.2, 0.01; with 5 an anchor the totals are 5, 11, 5, 15.
    assert choose_by_anchor_confidence(shortlist, 2, 1.0, rng).tolist() == [2, 0]


def test_a_class_of_many_anchors_does_not_outweigh_another(shortlist_of, rng):
    shortlist = shortlist_of(
        embedding=[[1.0], [1.0]],
        predicted=[0, 1],
        probabilities=[[0.7, 0.3], [0.4, 0.6]],
        labeled=np.zeros((51, 1)),
        labeled_classes=[0] * 50 + [1],
        label_counts=[50, 1],
    )
    assert choose_by_anchor_confidence(shortlist, 1, 1.0, rng).tolist() == [1]
