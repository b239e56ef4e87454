"""Pool ids to rows and back.

Ids are stable names; rows are positions in one index. Where the ids are just 0…N-1, both directions are free;
where they ascend, a row is found by binary search in the mapped file; else by one more sorted copy in memory.
"""

import threading

import numpy as np
import numpy.typing as npt

from query_server.pool.arrays import Rows, take_rows

UInt64Array = npt.NDArray[np.uint64]
_BLOCK = 1 << 20


class PoolIds:
    """The ids [N] of a pool's rows. What kind they are is found at the first use, O(N) once."""

    def __init__(self, ids: UInt64Array) -> None:
        self._ids = ids
        self._lock = threading.Lock()
        self._prepared = False
        self._identity = False
        self._sorted: UInt64Array = ids
        self._order: Rows | None = None  # [N], rows by ascending id; None where they ascend already

    def __len__(self) -> int:
        return len(self._ids)

    def ids_of(self, rows: Rows) -> UInt64Array:
        """Return pool ids uint64 [n] of rows int64 [n]; IndexError outside 0…N-1."""
        ids: UInt64Array = take_rows(self._ids, rows)
        return ids

    def rows_of(self, pool_ids: UInt64Array) -> Rows:
        """Return rows int64 [n] of pool ids uint64 [n], -1 where unknown. O(n log N)."""
        self._prepare()
        wanted = np.asarray(pool_ids, dtype=np.uint64)
        if self._identity:
            known = wanted < np.uint64(len(self))
            return np.where(known, np.where(known, wanted, 0).astype(np.int64), -1)
        at = np.minimum(np.searchsorted(self._sorted, wanted), len(self) - 1)
        rows = at.astype(np.int64) if self._order is None else self._order[at]
        return np.where(self._sorted[at] == wanted, rows, -1)

    def largest(self) -> int:
        """Return the largest id; there is at least one."""
        self._prepare()
        return int(self._sorted[-1])

    def _prepare(self) -> None:
        with self._lock:
            if self._prepared:
                return
            ascending, identity = _kind(self._ids)
            self._identity = identity
            if not ascending:
                self._order = np.argsort(self._ids, kind="stable").astype(np.int64)
                self._sorted = self._ids[self._order]
            self._prepared = True


def _kind(ids: UInt64Array) -> tuple[bool, bool]:
    """Return (ascending, equal to 0…N-1), reading the ids in blocks."""
    ascending = identity = True
    previous: np.uint64 | None = None
    for start in range(0, len(ids), _BLOCK):
        block = np.asarray(ids[start : start + _BLOCK])
        ascending &= bool(np.all(block[1:] > block[:-1])) and (previous is None or bool(block[0] > previous))
        identity &= bool(np.array_equal(block, np.arange(start, start + len(block), dtype=np.uint64)))
        previous = block[-1]
        if not ascending:
            break
    return ascending, ascending and identity
