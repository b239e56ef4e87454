"""One thread that owns an index and searches it for everybody, all who wait in one search.

A GPU index is not safe for two searches at a time, even for reads, and one search of a hundred queries costs a GPU
hardly more than one of ten. So callers queue, and the owner takes everyone who waits for the same kind of search at
once. k is rounded up to a power of two before the search, whoever else waits, so that k of different callers come
together and a caller's neighbors do not depend on the company.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

Neighbors = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
Parameters = Callable[[int, int], "faiss.SearchParameters | None"]

_MAX_QUERIES = 4_096  # of several callers in one search; a caller with more is searched for alone


class Searchable(Protocol):
    """What an owner needs of an index: every FAISS index has it."""

    ntotal: int

    def search(self, x: npt.NDArray[np.float32], k: int, *, params: Any = None) -> Neighbors:
        """Return squared distances [Q, k] and rows [Q, k], -1 where there are fewer."""


class OwnerClosedError(RuntimeError):
    """The owner has ended; nobody searches any more."""


@dataclass(frozen=True, kw_only=True)
class _Waiting:
    queries: npt.NDArray[np.float32]  # [Q, D]
    k: int
    kind: tuple[int, int]  # k rounded up, and lists to probe
    answer: Future[Neighbors] = field(default_factory=Future)


class SearchOwner:
    """The owner of an index and the queue before it. Safe to call from many threads.

    Args:
        make: Makes the index; called on the owner's thread, the only one that ever touches it.
        parameters: FAISS's search parameters of (k, lists to probe).
        most: Largest k.
        name: Of the thread.

    Attributes:
        searches: Searches made so far.
        answered: Calls answered by them.

    Raises:
        Exception: Whatever ``make`` raises.
    """

    def __init__(
        self, make: Callable[[], Searchable], *, parameters: Parameters, most: int, name: str = "faiss-gpu"
    ) -> None:
        self._parameters = parameters
        self._most = most
        self._changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._closed = False
        self.searches = 0
        self.answered = 0
        made: Future[int] = Future()
        # A daemon: what nobody closed must not keep the process from ending.
        self._thread = threading.Thread(target=self._own, args=(make, made), name=name, daemon=True)
        self._thread.start()
        self.size = made.result()

    def search(self, queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
        """Queue a search and wait for its answer.

        Args:
            queries: float32 [Q, D], contiguous.
            k: Neighbors a query, at most ``most`` and the index's size.
            probes: Lists to probe; 0 where the index has none.

        Returns:
            (squared distances float32 [Q, k], rows int64 [Q, k]).

        Raises:
            OwnerClosedError: The owner was closed before its turn came.
            RuntimeError: What FAISS raised.
        """
        rounded = min(1 << (k - 1).bit_length(), self._most, self.size)
        waiting = _Waiting(queries=queries, k=k, kind=(rounded, probes))
        with self._changed:
            if self._closed:
                raise OwnerClosedError("the index's owner is closed")
            self._queue.append(waiting)
            self._changed.notify()
        return waiting.answer.result()

    def close(self) -> None:
        """End the thread, which lets go of the index; those who wait get OwnerClosedError."""
        with self._changed:
            self._closed = True
            left = list(self._queue)
            self._queue.clear()
            self._changed.notify()
        for waiting in left:
            waiting.answer.set_exception(OwnerClosedError("the index's owner is closed"))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _own(self, make: Callable[[], Searchable], made: Future[int]) -> None:
        try:
            index = make()
            size = int(index.ntotal)
        except BaseException as error:
            made.set_exception(error)
            return
        made.set_result(size)
        while batch := self._next():
            self._answer(index, batch)

    def _next(self) -> list[_Waiting]:
        """Wait for callers; return all who wait for the same search as the first of them, none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            if self._closed:
                return []
            first = self._queue.popleft()
            batch, later, count = [first], deque[_Waiting](), len(first.queries)
            for waiting in self._queue:
                fits = count + len(waiting.queries) <= _MAX_QUERIES
                if fits and waiting.kind == first.kind:
                    batch.append(waiting)
                    count += len(waiting.queries)
                else:
                    later.append(waiting)
            self._queue = later
            return batch

    def _answer(self, index: Searchable, batch: list[_Waiting]) -> None:
        k, probes = batch[0].kind
        try:
            queries = np.concatenate([each.queries for each in batch])  # [sum of Q, D]
            squared, rows = index.search(queries, k, params=self._parameters(k, probes))
        except Exception as error:
            for each in batch:
                each.answer.set_exception(error)
            return
        self.searches += 1
        self.answered += len(batch)
        start = 0
        for each in batch:
            part = slice(start, start + len(each.queries))
            # Copies: a view would keep everybody's answers alive.
            each.answer.set_result((squared[part, : each.k].copy(), rows[part, : each.k].copy()))
            start = part.stop
