"""A pool as campaigns see one, without samples: ids are rows counted from an offset, and some may have been removed."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from query_server.open_rows import OpenRows


class StubPool:
    """One state of such a pool."""

    def __init__(self, rows: int, *, offset: int = 0, removed: Iterable[int] = ()) -> None:
        self.rows = rows
        self._offset = np.uint64(offset)
        self._alive = np.ones(rows, dtype=np.bool_)
        self._alive[list(removed)] = False
        self.size = int(self._alive.sum())

    def rows_of(self, pool_ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        rows = (np.asarray(pool_ids, dtype=np.uint64) - self._offset).astype(np.int64)
        rows = np.where((rows >= 0) & (rows < self.rows), rows, -1)
        return np.where(self._alive[rows], rows, -1)

    def open_rows(self, closed: npt.NDArray[np.int64]) -> OpenRows:
        return OpenRows(self.rows, closed, alive=self._alive, alive_count=self.size)
