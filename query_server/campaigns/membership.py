"""Which rows of the pool a campaign has used up: one byte a row, the ledger's mirror in memory.

The ledger is the truth; this is rebuilt from it when the pool is registered and changed only after a commit.
"""

import numpy as np
import numpy.typing as npt

FREE, LEASED, LABELED = np.uint8(0), np.uint8(1), np.uint8(2)

Rows = npt.NDArray[np.int64]


class Membership:
    """The state of each of N rows. Not thread-safe: the store's lock guards it."""

    def __init__(self, size: int, *, labeled: Rows, leased: Rows) -> None:
        """Start from rows that are labeled and leased; -1 (an id the pool no longer holds) is skipped."""
        self._state = np.full(size, FREE, dtype=np.uint8)  # [N]
        self._state[leased[leased >= 0]] = LEASED
        self._state[labeled[labeled >= 0]] = LABELED
        self.free = int(np.count_nonzero(self._state == FREE))

    def available(self) -> npt.NDArray[np.bool_]:
        """Return bool [N], true where a row is free: the caller's own copy. O(N)."""
        return np.equal(self._state, FREE)

    def first_free(self, rows: Rows, count: int) -> Rows:
        """Return the positions of the first `count` distinct free rows of a list, or fewer.

        O(n log n) in the length of the part that is looked at: a longer one only where the shorter was not enough.
        """
        length = 4 * count
        while True:
            part = rows[:length]
            free = np.flatnonzero(self._state[part] == FREE)
            _, first = np.unique(part[free], return_index=True)
            if len(first) >= count or length >= len(rows):
                return free[np.sort(first)[:count]].astype(np.int64)
            length *= 4

    def are_leased(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return bool [n], true where the row is leased."""
        return np.equal(self._state[rows], LEASED)

    def are_labeled(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return bool [n], true where the row is labeled."""
        return np.equal(self._state[rows], LABELED)

    def lease(self, rows: Rows) -> None:
        """Mark distinct free rows as leased."""
        self._state[rows] = LEASED
        self.free -= len(rows)

    def label(self, rows: Rows) -> None:
        """Mark distinct rows as labeled."""
        self.free -= int(np.count_nonzero(self._state[rows] == FREE))
        self._state[rows] = LABELED

    def release(self, rows: Rows) -> None:
        """Mark distinct leased rows as free."""
        self._state[rows] = FREE
        self.free += len(rows)
