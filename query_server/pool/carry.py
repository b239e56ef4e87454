"""What goes back to the journal where an index is served that lacks it: samples that only a compacted index holds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from query_server.pool.added_rows import Rows
from query_server.pool.arrays import take_rows
from query_server.pool.compacted import StoredRows, identity_of
from query_server.pool.encoding import refuse_non_finite
from query_server.pool.id_sets import ids_in
from query_server.pool.journal import Journal
from query_server.pool.journal_head import Head
from query_server.pool.pool import Pool

_CHUNK = 4096
Reencode = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Carried:
    """Such samples.

    Attributes:
        ids: Theirs, uint64 [n].
        stored: Where they are; None where there are none.
        encoder: Identifies the encoder of their features; None where there are none.
    """

    ids: npt.NDArray[np.uint64]
    stored: StoredRows | None
    encoder: str | None

    @classmethod
    def of(cls, journal: Journal, base: Pool) -> Self:
        """Find what was added, is alive, and is neither in an index nor in the journal.

        Raises:
            DowserError: CORRUPT_FILE if the compacted index cannot be read.
        """
        record = journal.compacted
        ids = np.empty(0, np.uint64)
        if record is not None and record.identity != identity_of(base.manifest):
            ids = ids_in(record.folded)
            ids = ids[base.base_ids.rows_of(ids) < 0]
            ids = ids[~np.isin(ids, journal.added_ids()) & ~np.isin(ids, journal.removed_ids())]
        if record is None or not len(ids):
            return cls(ids=ids, stored=None, encoder=None)
        return cls(ids=ids, stored=StoredRows.open(journal.directory / record.folder), encoder=record.encoder)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.ids)

    def after(self, head: Head) -> Head:
        """Return where a journal stands once these follow its rows."""
        if self.stored is None:
            return head
        samples = self.stored.samples
        if samples is None:
            head = replace(head, raw_shape=None, raw_dtype=None)
        elif head.rows == 0:
            head = replace(head, raw_shape=tuple(samples.shape[1:]), raw_dtype=str(samples.dtype))
        return replace(head, rows=head.rows + self.count)

    def rows(self, reencode: Reencode | None) -> Iterator[Rows]:
        """Return them, some at a time.

        Args:
            reencode: Raw samples to features float32 [n, D]; None takes the features there are.

        Raises:
            DowserError: NOT_FINITE (features).
        """
        if self.stored is None:
            return
        rows = self.stored.ids.rows_of(self.ids)
        for start in range(0, self.count, _CHUNK):
            part = slice(start, start + _CHUNK)
            samples = None if self.stored.samples is None else take_rows(self.stored.samples, rows[part])
            if reencode is not None and samples is not None:
                features = reencode(samples)
                refuse_non_finite(features, start, what="compacted samples")
            else:
                features = take_rows(self.stored.features, rows[part])
            yield Rows(ids=self.ids[part], samples=samples, features=features)
