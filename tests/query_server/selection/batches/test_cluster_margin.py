"""Cluster-Margin and the clustering it rests on."""

import numpy as np
import pytest

from query_server.selection.batches.cluster_margin import average_linkage, choose_by_cluster_margin


def partition(labels):
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


def test_average_linkage_by_hand():
    points = np.array([[0.0], [1.0], [3.0], [7.0]], np.float32)
    # {0, 1} at 1; {0, 1} to 3 on average 2.5; to 7 from {0, 1, 3} on average 17/3.
    assert partition(average_linkage(points, 3)) == {frozenset({0, 1}), frozenset({2}), frozenset({3})}
    assert partition(average_linkage(points, 2)) == {frozenset({0, 1, 2}), frozenset({3})}


@pytest.mark.parametrize("clusters", [1, 2, 5, 9, 25])
def test_chains_merge_as_the_definition_does(clusters):
    points = np.random.default_rng(clusters).normal(size=(25, 3)).astype(np.float32)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    expected = [[point] for point in range(25)]
    while len(expected) > clusters:
        _, a, b = min(
            (distances[np.ix_(expected[a], expected[b])].mean(), a, b)
            for b in range(len(expected))
            for a in range(b)
        )
        expected[a] += expected.pop(b)
    assert partition(average_linkage(points, clusters)) == {frozenset(cluster) for cluster in expected}


def test_clusters_take_turns_the_smallest_first_and_give_their_lowest_margin(shortlist_of, rng):
    margins = np.array([0.10, 0.02, 0.04, 0.06, 0.30, 0.20, 0.50])
    probabilities = np.stack([(1 + margins) / 2, (1 - margins) / 2], axis=1)
    near, far = [[0.0], [0.1], [0.2], [0.3]], [[50.0], [50.1], [50.2]]
    shortlist = shortlist_of(probabilities=probabilities, embedding=near + far)
    # Two clusters for four picks: {4, 5, 6} with 5 before 4, then {0, 1, 2, 3} with 1 before 2.
    assert choose_by_cluster_margin(shortlist, 4, 1.0, rng).tolist() == [5, 1, 4, 2]


def test_only_the_lowest_margins_are_clustered(shortlist_of, rng):
    margins = np.linspace(0.0, 0.9, 100)[::-1]
    shortlist = shortlist_of(probabilities=np.stack([(1 + margins) / 2, (1 - margins) / 2], axis=1))
    assert choose_by_cluster_margin(shortlist, 3, 1.0, rng).min() >= 70


def test_a_small_cluster_that_is_used_up_leaves_its_turns_to_others(shortlist_of, rng):
    embedding = [[0.0], [0.1], [0.2], [0.3], [0.4], [90.0]]
    shortlist = shortlist_of(probabilities=np.tile([0.6, 0.4], (6, 1)), embedding=embedding)
    assert choose_by_cluster_margin(shortlist, 4, 1.0, rng).tolist() == [5, 0, 1, 2]
