"""What a campaign has used up, as compressed bitmaps of pool ids, and its labels: the ledger's mirror in memory.

Ids rather than rows, because a pool changes: samples come and go, and a reloaded index numbers its rows anew. What a
campaign is on one state of its pool is a view, made where it is asked for and kept until either changes. The ledger is
the truth; this is rebuilt from it at open and changed only after a commit. Not thread-safe: the store's lock guards it.
"""

from array import array
from dataclasses import dataclass

import numpy as np
from pyroaring import BitMap64

from query_server.campaigns.values import Int64, Mask, PoolState, UInt64
from query_server.open_rows import OpenRows


@dataclass(frozen=True, kw_only=True)
class View:
    """A campaign on one state of its pool.

    Attributes:
        state: That state.
        closed: Its rows that are labeled or leased int64 [n].
        rows: Its rows with a label int64 [L], in the order in which they were recorded.
        pool_ids: Their pool ids uint64 [L].
        labels: Their labels int64 [L].
        free: Samples neither labeled nor leased.
        open: Their rows, shared by all who ask.
    """

    state: PoolState
    closed: Int64
    rows: Int64
    pool_ids: UInt64
    labels: Int64
    free: int
    open: OpenRows

    def available(self) -> OpenRows:
        """Return the rows whose samples can be selected: the caller's own copy."""
        return self.open.copy()


class Membership:
    """The labels and leases of one campaign."""

    def __init__(self, *, pool_ids: UInt64, labels: Int64, leased: UInt64) -> None:
        """Start from labels int64 [L] of pool ids uint64 [L], as they were recorded, and leased ids uint64 [n]."""
        self._pool_ids, self._labels = [pool_ids], [labels]
        self._labeled = _bitmap(pool_ids)
        self._leased = _bitmap(leased) - self._labeled
        self._view: View | None = None
        self._rows = _LabelRows()

    @property
    def labeled(self) -> int:
        """Samples with a label, those the pool no longer holds included."""
        return len(self._labeled)

    @property
    def leased(self) -> int:
        """Samples handed out and not labeled, those the pool no longer holds included."""
        return len(self._leased)

    def view(self, state: PoolState) -> View:
        """Return the campaign on a state of its pool; looks up the leases and new labels, on a new state all labels."""
        if self._view is None or self._view.state is not state:
            pool_ids, labels = self._joined()
            rows = self._rows.of(pool_ids, state)
            known = rows >= 0
            leased = state.rows_of(_ids(self._leased))
            closed = np.concatenate([rows[known], leased[leased >= 0]])
            self._view = View(
                state=state,
                closed=closed,
                rows=rows[known],
                pool_ids=pool_ids[known],
                labels=labels[known],
                free=state.size - len(closed),
                open=state.open_rows(closed),
            )
        return self._view

    def first_free(self, pool_ids: UInt64, state: PoolState, count: int) -> Int64:
        """Return the positions of the first `count` distinct free ids of a list, or fewer.

        Ids that the state does not know are passed over like those that are taken. O(n log n) in the length of the
        part that is looked at: a longer one only where the shorter was not enough.
        """
        length = 4 * count
        while True:
            part = pool_ids[:length]
            free = np.flatnonzero(
                ~self.are_labeled(part) & ~self.are_leased(part) & (state.rows_of(part) >= 0)
            )
            _, first = np.unique(part[free], return_index=True)
            if len(first) >= count or length >= len(pool_ids):
                return free[np.sort(first)[:count]].astype(np.int64)
            length *= 4

    def are_leased(self, pool_ids: UInt64) -> Mask:
        """Return bool [n], true where the sample is leased."""
        return np.isin(pool_ids, _ids(_bitmap(pool_ids) & self._leased))

    def are_labeled(self, pool_ids: UInt64) -> Mask:
        """Return bool [n], true where the sample is labeled."""
        return np.isin(pool_ids, _ids(_bitmap(pool_ids) & self._labeled))

    def lease(self, pool_ids: UInt64) -> None:
        """Mark free samples as leased."""
        self._leased |= _bitmap(pool_ids)
        self._view = None

    def release(self, pool_ids: UInt64) -> None:
        """Mark leased samples as free."""
        self._leased -= _bitmap(pool_ids)
        self._view = None

    def label(self, pool_ids: UInt64, labels: Int64) -> None:
        """Add labels [n] of distinct samples [n] that have none, and end their leases."""
        self._pool_ids.append(pool_ids)
        self._labels.append(labels)
        added = _bitmap(pool_ids)
        self._labeled |= added
        self._leased -= added
        self._view = None

    def correct(self, pool_ids: UInt64, labels: Int64) -> None:
        """Give labeled samples, distinct uint64 [n], other labels int64 [n]; their places in the order stay."""
        recorded_ids, recorded = self._joined()
        order = np.argsort(pool_ids)
        found = np.flatnonzero(np.isin(recorded_ids, pool_ids))
        corrected = recorded.copy()  # what a snapshot was given stays as it is
        corrected[found] = labels[order[np.searchsorted(pool_ids[order], recorded_ids[found])]]
        self._labels = [corrected]
        self._view = None

    def retract(self, pool_ids: UInt64) -> None:
        """Take the labels of samples back, so that they are free."""
        recorded_ids, recorded = self._joined()
        kept = ~np.isin(recorded_ids, pool_ids)
        self._pool_ids, self._labels = [recorded_ids[kept]], [recorded[kept]]
        self._labeled -= _bitmap(pool_ids)
        self._view, self._rows = None, _LabelRows()

    def _joined(self) -> tuple[UInt64, Int64]:
        """Return (pool ids [L], labels [L]), not to be written to."""
        self._pool_ids = [np.concatenate(self._pool_ids)]
        self._labels = [np.concatenate(self._labels)]
        return self._pool_ids[0], self._labels[0]


class _LabelRows:
    """The rows of a growing list of samples in one state of the pool, each looked up once."""

    def __init__(self) -> None:
        self._state: PoolState | None = None
        self._rows: Int64 = np.empty(0, dtype=np.int64)

    def of(self, pool_ids: UInt64, state: PoolState) -> Int64:
        """Return rows [L] of a list that begins as that of the last call did."""
        if self._state is not state:
            self._state, self._rows = state, np.empty(0, dtype=np.int64)
        new = pool_ids[len(self._rows) :]
        if len(new):
            self._rows = np.concatenate([self._rows, state.rows_of(new)])
        return self._rows


def _bitmap(pool_ids: UInt64) -> BitMap64:
    return BitMap64(array("Q", np.ascontiguousarray(pool_ids, dtype=np.uint64).tobytes()))


def _ids(bitmap: BitMap64) -> UInt64:
    """Return the ids uint64 [n] of a bitmap, ascending."""
    return np.frombuffer(bitmap.to_array(), dtype=np.uint64)
