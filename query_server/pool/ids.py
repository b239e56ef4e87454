"""Pool ids to rows and back.

Ids are stable names; rows are positions in one index. Where the ids are just 0…N-1, both directions are free; where
they ascend, a row is found by binary search in the mapped file; else through the rows by ascending id, which an index
keeps in a file of their own. An index's manifest says which of the three it is, so that opening it reads no ids.
"""

import threading
from enum import Enum

import numpy as np
import numpy.typing as npt

from query_server.pool.arrays import Rows, take_rows

UInt64Array = npt.NDArray[np.uint64]
_BLOCK = 1 << 20


class IdOrder(Enum):
    """How ids lie over rows: row i has the id i, they ascend, or neither."""

    ROWS = "rows"
    ASCENDING = "ascending"
    ANY = "any"


class PoolIds:
    """The ids [N] of a pool's rows.

    Args:
        ids: uint64 [N].
        order: How they lie; None means to find it at the first use, O(N) once.
        by_id: The rows int64 [N] by ascending id, where the ids are in no order; None means to find them, too.
    """

    def __init__(self, ids: UInt64Array, order: IdOrder | None = None, by_id: Rows | None = None) -> None:
        self._ids = ids
        self._lock = threading.Lock()
        self._order = order
        self._by_id = by_id

    def __len__(self) -> int:
        return len(self._ids)

    def ids_of(self, rows: Rows) -> UInt64Array:
        """Return pool ids uint64 [n] of rows int64 [n]; IndexError outside 0…N-1."""
        if self._order is IdOrder.ROWS:
            if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
                raise IndexError(f"rows must be 0 to {len(self) - 1}, got {rows.min()} to {rows.max()}")
            return rows.astype(np.uint64)
        ids: UInt64Array = take_rows(self._ids, rows)
        return ids

    def rows_of(self, pool_ids: UInt64Array) -> Rows:
        """Return rows int64 [n] of pool ids uint64 [n], -1 where unknown. O(n log N)."""
        wanted = np.asarray(pool_ids, dtype=np.uint64)
        order = self._prepared()
        if order is IdOrder.ROWS:
            known = wanted < np.uint64(len(self))
            return np.where(known, np.where(known, wanted, 0).astype(np.int64), -1)
        if order is IdOrder.ASCENDING:
            rows = np.minimum(np.searchsorted(self._ids, wanted), len(self) - 1).astype(np.int64)
        else:
            rows = self._search(wanted)
        return np.where(self._ids[rows] == wanted, rows, -1)

    def largest(self) -> int:
        """Return the largest id; there is at least one."""
        order = self._prepared()
        if order is not IdOrder.ANY:
            return int(self._ids[-1])
        assert self._by_id is not None  # prepared
        return int(self._ids[self._by_id[-1]])

    def _prepared(self) -> IdOrder:
        with self._lock:
            if self._order is None:
                self._order = order_of(self._ids)
            if self._order is IdOrder.ANY and self._by_id is None:
                self._by_id = rows_by_id(self._ids)
            return self._order

    def _search(self, wanted: UInt64Array) -> Rows:
        """Return the row of the first id that is not smaller, or the last one's."""
        assert self._by_id is not None  # prepared
        low, high = np.zeros(len(wanted), np.int64), np.full(len(wanted), len(self) - 1)
        while np.any(low < high):
            middle = (low + high) // 2
            smaller = self._ids[self._by_id[middle]] < wanted
            low, high = np.where(smaller, np.minimum(middle + 1, high), low), np.where(smaller, high, middle)
        rows: Rows = self._by_id[low]
        return rows


def rows_by_id(ids: UInt64Array) -> Rows:
    """Return rows int64 [N] by ascending id."""
    return np.argsort(ids, kind="stable").astype(np.int64, copy=False)


def order_of(ids: UInt64Array) -> IdOrder:
    """Find how ids lie over rows, reading them in blocks."""
    ascending = identity = True
    previous: np.uint64 | None = None
    for start in range(0, len(ids), _BLOCK):
        block = np.asarray(ids[start : start + _BLOCK])
        ascending &= bool(np.all(block[1:] > block[:-1])) and (previous is None or bool(block[0] > previous))
        identity &= bool(np.array_equal(block, np.arange(start, start + len(block), dtype=np.uint64)))
        previous = block[-1]
        if not ascending:
            return IdOrder.ANY
    return IdOrder.ROWS if identity else IdOrder.ASCENDING
