"""The owner thread and its queue, over real FAISS indexes on the CPU: the class takes any."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pytest

from query_server.pool.gpu_copies import ivf_parameters
from query_server.pool.owner import Neighbors, OwnerClosedError, SearchOwner

Features = npt.NDArray[np.float32]
MOST = 256


class Gated:
    """A real index that lets no search through until told to, and notes what it was asked."""

    def __init__(self, index: faiss.Index) -> None:
        self.index = index
        self.ntotal = int(index.ntotal)
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.asked: list[tuple[int, int]] = []
        self.threads: set[str] = set()

    def search(self, x: Features, k: int, *, params: Any = None) -> Neighbors:
        self.entered.set()
        assert self.gate.wait(60)
        self.asked.append((len(x), k))
        self.threads.add(threading.current_thread().name)
        squared, rows = self.index.search(x, k, params=params)
        return squared, rows


@pytest.fixture(scope="module")
def lists(many_features: Features) -> faiss.Index:
    faiss.omp_set_num_threads(1)
    made = faiss.index_factory(16, "IVF128,Flat", faiss.METRIC_L2)
    made.train(many_features)
    made.add(many_features)
    return made


@pytest.fixture
def gated(lists: faiss.Index) -> Iterator[tuple[Gated, SearchOwner]]:
    index = Gated(lists)
    owner = SearchOwner(lambda: index, parameters=ivf_parameters, most=MOST)
    yield index, owner
    index.gate.set()
    owner.close()


def _alone(lists: faiss.Index, queries: Features, k: int, probes: int) -> Neighbors:
    squared, rows = lists.search(queries, k, params=ivf_parameters(k, probes))
    return squared, rows


def _wait_until_queued(owner: SearchOwner, count: int) -> None:
    with owner._changed:
        assert owner._changed.wait_for(lambda: len(owner._queue) == count, 60)


def test_all_who_wait_for_the_same_search_are_answered_by_one(
    gated: tuple[Gated, SearchOwner], lists: faiss.Index, many_features: Features
) -> None:
    index, owner = gated
    parts = [many_features[start : start + 3 + start % 5] for start in range(0, 120, 10)]
    counts = [9 + number % 8 for number in range(len(parts))]  # all round up to 16
    with ThreadPoolExecutor(len(parts) + 1) as callers:
        first = callers.submit(owner.search, many_features[:1], 10, 4)
        assert index.entered.wait(60)
        answers = [callers.submit(owner.search, part, k, 4) for part, k in zip(parts, counts, strict=True)]
        _wait_until_queued(owner, len(parts))
        index.gate.set()
        found = [answer.result(60) for answer in answers]
        assert first.result(60)[1][0, 0] == 0
    assert index.asked == [(1, 16), (sum(map(len, parts)), 16)]
    assert (owner.searches, owner.answered) == (2, 1 + len(parts))
    assert index.threads == {"faiss-gpu"}
    for part, k, (squared, rows) in zip(parts, counts, found, strict=True):
        expected_squared, expected_rows = _alone(lists, part, k, 4)
        assert np.array_equal(rows, expected_rows)
        np.testing.assert_allclose(squared, expected_squared, atol=1e-4)


def test_searches_of_other_lists_or_much_larger_k_are_not_mixed(
    gated: tuple[Gated, SearchOwner], lists: faiss.Index, many_features: Features
) -> None:
    index, owner = gated
    kinds = [(10, 4), (10, 8), (200, 4), (12, 4), (300_000, 4)]
    with ThreadPoolExecutor(len(kinds) + 1) as callers:
        callers.submit(owner.search, many_features[:1], 1, 1)
        assert index.entered.wait(60)
        answers = []
        for number, (k, probes) in enumerate(kinds):
            queries = many_features[number : number + 2]
            answers.append(callers.submit(owner.search, queries, min(k, MOST), probes))
            _wait_until_queued(owner, number + 1)
        index.gate.set()
        found = [answer.result(60) for answer in answers]
    assert index.asked[1:] == [(4, 16), (2, 16), (4, MOST)]
    for number, ((k, probes), (_, rows)) in enumerate(zip(kinds, found, strict=True)):
        expected = _alone(lists, many_features[number : number + 2], min(k, MOST), probes)[1]
        assert np.array_equal(rows, expected)


def test_one_search_holds_a_bounded_number_of_queries(
    gated: tuple[Gated, SearchOwner], many_features: Features, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("query_server.pool.owner._MAX_QUERIES", 100)
    index, owner = gated
    with ThreadPoolExecutor(5) as callers:
        callers.submit(owner.search, many_features[:1], 1, 1)
        assert index.entered.wait(60)
        for number, count in enumerate((60, 150, 30, 20)):
            callers.submit(owner.search, many_features[:count], 5, 1)
            _wait_until_queued(owner, number + 1)
        index.gate.set()
    assert [count for count, _ in index.asked[1:]] == [90, 150, 20]


def test_an_error_reaches_everyone_in_the_batch_and_the_owner_goes_on(
    gated: tuple[Gated, SearchOwner], many_features: Features
) -> None:
    index, owner = gated
    index.gate.set()
    with pytest.raises(AssertionError):
        owner.search(many_features[:2, :7], 3, 1)  # too few dimensions: FAISS refuses
    assert owner.search(many_features[:2], 3, 1)[1].shape == (2, 3)


def test_who_waits_when_the_owner_closes_is_told_and_nobody_is_served_after(
    gated: tuple[Gated, SearchOwner], many_features: Features
) -> None:
    index, owner = gated
    with ThreadPoolExecutor(3) as callers:
        running = callers.submit(owner.search, many_features[:1], 1, 1)
        assert index.entered.wait(60)
        waiting = callers.submit(owner.search, many_features[:1], 1, 1)
        _wait_until_queued(owner, 1)
        closing = callers.submit(owner.close)
        with pytest.raises(OwnerClosedError):
            waiting.result(60)
        index.gate.set()
        closing.result(60)
        assert running.result(60)[1][0, 0] == 0
    with pytest.raises(OwnerClosedError):
        owner.search(many_features[:1], 1, 1)


def test_what_cannot_be_made_fails_where_it_is_asked_for() -> None:
    def make() -> faiss.Index:
        return faiss.index_factory(16, "nonsense")

    with pytest.raises(RuntimeError):
        SearchOwner(make, parameters=ivf_parameters, most=MOST)
