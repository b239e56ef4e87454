"""Which rows of a pool can be selected, by those that cannot: a leaf that pool, campaigns and selection share.

A campaign closes what it has labeled and handed out, which is little beside a pool of a hundred million. So the closed
rows are kept, ascending, and what is asked about rows is answered by binary search among them: a request makes and
reads nothing of the pool's size.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NONE: Int64 = np.empty(0, np.int64)


class OpenRows:
    """Rows 0…R-1 but for closed ones. A round has its own copy and closes what it looks at.

    Args:
        size: R.
        closed: Rows that are not open int64 [n], in any order; those that are not alive need not be among them.
        alive: bool [R], false where a sample was removed; shared, never written. None means all are.
        alive_count: How many of them are true, where known.

    Attributes:
        count: Rows that are open.
    """

    def __init__(
        self, size: int, closed: Int64 = _NONE, *, alive: Mask | None = None, alive_count: int | None = None
    ) -> None:
        self._size = size
        self._alive = alive
        if alive is None:
            alive_count = size
        elif alive_count is None:
            alive_count = int(np.count_nonzero(alive))
        # Closed rows mostly come in runs that ascend, and those a stable sort only merges.
        ordered = np.sort(closed, kind="stable")
        if len(ordered):
            fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]])
            ordered = ordered[fresh if alive is None else fresh & alive[ordered]]
        self._closed: Int64 = ordered
        self._pending: list[Int64] = []
        self.count = alive_count - len(ordered)

    @classmethod
    def of(cls, mask: Mask) -> Self:
        """Return the rows that are true in a mask bool [R]."""
        return cls(len(mask), np.flatnonzero(~mask))

    def __len__(self) -> int:
        """Return R."""
        return self._size

    def __getitem__(self, rows: Int64) -> Mask:
        """Return which of some rows, of any shape, are open."""
        closed = self._all_closed()
        if len(closed):
            at = np.minimum(np.searchsorted(closed, rows), len(closed) - 1)
            open_: Mask = closed[at] != rows
        else:
            open_ = np.ones(np.shape(rows), bool)
        return open_ if self._alive is None else open_ & self._alive[rows]

    def close(self, rows: Int64) -> None:
        """Close distinct rows int64 [n] that are open."""
        self._pending.append(rows)
        self.count -= len(rows)

    def copy(self) -> OpenRows:
        """Return a copy that closes its own rows."""
        self._all_closed()
        copied = OpenRows.__new__(OpenRows)
        copied._size, copied._alive, copied._closed = self._size, self._alive, self._closed
        copied._pending, copied.count = [], self.count
        return copied

    def part(self, first: int, stop: int, *, alive_count: int) -> OpenRows:
        """Return rows first…stop-1, counted from the first.

        Args:
            first: The first row.
            stop: One past the last.
            alive_count: How many of them are alive.
        """
        closed = self._all_closed()
        begin, end = np.searchsorted(closed, (first, stop))
        return OpenRows(
            stop - first,
            closed[begin:end] - first,
            alive=None if self._alive is None else self._alive[first:stop],
            alive_count=alive_count,
        )

    def among(self, alive: Mask, alive_count: int) -> OpenRows:
        """Return those that are alive, too; itself where it was made with this very mask."""
        if self._alive is alive:
            return self
        closed = self._all_closed()
        if self._alive is not None:
            closed = np.flatnonzero(~self.mask())
        return OpenRows(self._size, closed, alive=alive, alive_count=alive_count)

    def mask(self) -> Mask:
        """Return bool [R]. O(R)."""
        mask = np.ones(self._size, bool) if self._alive is None else self._alive.copy()
        mask[self._all_closed()] = False
        return mask

    def rows(self) -> Int64:
        """Return the open rows, ascending. O(R)."""
        return np.flatnonzero(self.mask())

    def _all_closed(self) -> Int64:
        if self._pending:
            self._closed = np.sort(np.concatenate([self._closed, *self._pending]), kind="stable")
            self._pending = []
        return self._closed
