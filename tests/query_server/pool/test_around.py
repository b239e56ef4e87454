"""Neighbors of rows that are kept: what a search would find, whoever was closed since, and searched once."""

from __future__ import annotations

import numpy as np
import pytest

from query_server.open_rows import OpenRows
from query_server.pool.around import KEPT, KnownNeighbors
from query_server.pool.factory import make_index
from query_server.pool.filtered import search_available
from query_server.pool.index import FeatureIndex

SIZE, DIM = 12_000, 8


class Counting(FeatureIndex):
    """An index that counts the queries it is asked."""

    queries = 0

    def search(self, features, k, **options):
        self.queries += len(features)
        return super().search(features, k, **options)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((SIZE, DIM)).astype(np.float32)


@pytest.fixture(params=["Flat", "IVF64,Flat"])
def index(request, features) -> Counting:
    made = make_index(request.param, DIM)
    made.train(features)
    made.add(features)
    return Counting(made, nprobe=8 if "IVF" in request.param else 0, threads=1)


@pytest.mark.parametrize("closed", [0, 200, 3000])
def test_it_finds_what_a_search_finds(index: Counting, features: np.ndarray, closed: int) -> None:
    known = KnownNeighbors(index, features, threads=1)
    rng = np.random.default_rng(closed)
    rows = rng.choice(SIZE, 50, replace=False)
    for _ in range(3):
        available = OpenRows(SIZE, np.union1d(rows, rng.choice(SIZE, closed, replace=False)))
        found = known.search_available(rows, features[rows], 5, available)
        expected = search_available(index, features, features[rows], 5, available, threads=1)
        np.testing.assert_array_equal(found.rows, expected.rows)
        np.testing.assert_allclose(found.distances, expected.distances, rtol=1e-5)


def test_a_row_is_searched_for_once(index: Counting, features: np.ndarray) -> None:
    known = KnownNeighbors(index, features, threads=1)
    everything = OpenRows(SIZE)
    first = known.search_available(np.arange(40), features[:40], 5, everything)
    assert (index.queries, first.visited) == (40, 40 * KEPT)
    again = known.search_available(np.arange(30, 45), features[30:45], 5, everything)
    assert (index.queries, again.visited) == (45, 5 * KEPT)
    np.testing.assert_array_equal(again.rows[:10], first.rows[30:])


def test_where_too_few_of_them_are_left_it_searches_anew(index: Counting, features: np.ndarray) -> None:
    known = KnownNeighbors(index, features, threads=1)
    _, near = index.search(features[:1], KEPT)
    available = OpenRows(SIZE, near[0, : KEPT - 2])
    found = known.search_available(np.array([0]), features[:1], 5, available)
    expected = search_available(index, features, features[:1], 5, available, threads=1)
    np.testing.assert_array_equal(found.rows, expected.rows)
    assert available[found.rows[0]].all()


def test_what_was_asked_about_least_recently_is_forgotten(index: Counting, features: np.ndarray) -> None:
    known = KnownNeighbors(index, features, threads=1, most=10)
    everything = OpenRows(SIZE)
    for rows in (np.arange(10), np.arange(5), np.arange(10, 14)):
        known.search_available(rows, features[rows], 3, everything)
    asked = index.queries
    known.search_available(np.arange(5), features[:5], 3, everything)
    assert index.queries == asked
    known.search_available(np.arange(5, 10), features[5:10], 3, everything)
    assert index.queries == asked + 4  # row 9 was asked about last of the five


def test_many_neighbors_and_no_rows_are_an_ordinary_search(index: Counting, features: np.ndarray) -> None:
    known = KnownNeighbors(index, features, threads=1)
    everything = OpenRows(SIZE)
    assert known.search_available(np.arange(2), features[:2], KEPT, everything).rows.shape == (2, KEPT)
    none = known.search_available(np.empty(0, np.int64), features[:0], 5, everything)
    assert none.rows.shape == (0, 5)
