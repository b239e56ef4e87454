"""Matching against brute force on a small pool whose neighbors are known."""

import numpy as np
import pytest

from query_server.open_rows import OpenRows
from query_server.selection.matching import nearest_many, nearest_unshared


@pytest.fixture
def line(exact_pool):
    return exact_pool(np.arange(20, dtype=np.float32)[:, None])


def everything(pool):
    return OpenRows(pool.size)


def test_each_synthetic_sample_gets_its_nearest(line):
    queries = np.array([[3.1], [10.2]], np.float32)
    found = nearest_unshared(line, queries, count=2, available=everything(line))
    assert found.rows.tolist() == [3, 10]
    assert found.synthetic.tolist() == [0, 1]
    np.testing.assert_allclose(found.distances, [0.1, 0.2], atol=1e-5)


def test_a_sample_taken_by_another_is_replaced_by_the_next_nearest(line):
    queries = np.array([[3.1], [3.2], [3.3]], np.float32)
    found = nearest_unshared(line, queries, count=3, available=everything(line))
    assert found.rows.tolist() == [3, 4, 2]


def test_unavailable_samples_are_never_matched(line):
    available = everything(line)
    available.close(np.array([3, 4]))
    for match in (nearest_unshared, nearest_many):
        found = match(line, np.array([[3.1]], np.float32), count=3, available=available)
        assert found.rows.tolist() == [2, 5, 1]


def test_more_matches_than_synthetic_samples_take_turns(line):
    queries = np.array([[0.0], [19.0]], np.float32)
    found = nearest_unshared(line, queries, count=6, available=everything(line))
    assert sorted(found.rows.tolist()) == [0, 1, 2, 17, 18, 19]
    assert found.synthetic.tolist() == [0, 1, 0, 1, 0, 1]


def test_the_whole_pool_can_be_matched(line):
    found = nearest_unshared(line, np.array([[5.0], [5.0]], np.float32), count=20, available=everything(line))
    assert sorted(found.rows.tolist()) == list(range(20))


def test_many_matches_are_distinct_and_the_nearest_come_first(line):
    queries = np.array([[3.1], [3.2], [15.0]], np.float32)
    found = nearest_many(line, queries, count=9, available=everything(line))
    assert len(set(found.rows.tolist())) == 9
    assert found.rows[:2].tolist() == [3, 15]
    np.testing.assert_allclose(found.distances, np.abs(queries[found.synthetic, 0] - found.rows), atol=1e-5)


def test_overlapping_neighbors_are_made_up_for_by_looking_further(line):
    queries = np.full((10, 1), 7.0, np.float32)
    found = nearest_many(line, queries, count=15, available=everything(line))
    assert len(found.rows) == 15
    assert line.searches > 1


def test_many_matches_end_with_the_pool(line):
    available = everything(line)
    available.close(np.arange(12))
    found = nearest_many(line, np.array([[0.0], [1.0]], np.float32), count=50, available=available)
    assert sorted(found.rows.tolist()) == list(range(12, 20))


def test_nothing_available_is_no_match(line):
    found = nearest_many(line, np.array([[3.0]], np.float32), count=5, available=OpenRows(20, np.arange(20)))
    assert (len(found.rows), found.visited, line.searches) == (0, 0, 0)
