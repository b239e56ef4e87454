"""A pool that changes while it is served: samples are added and removed, durably, one state after the other.

Readers take the current state and keep it for as long as their request lasts; a writer makes the next one, has the
journal put it on disk, and then shows it. So a request sees one state, and whoever was answered finds the change in
every state from the index version named.
"""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from query_server import errors
from query_server.pool.additions import MAX_CHANGED, SampleKind, features_of, new_ids
from query_server.pool.answers import Write
from query_server.pool.encoding import Encode
from query_server.pool.id_sets import ids_in, members
from query_server.pool.ids import PoolIds
from query_server.pool.journal import DATABASE, Journal
from query_server.pool.journal_head import Head
from query_server.pool.pool import Pool
from query_server.pool.segments import Added
from query_server.pool.takeover import Moment, fold, go_over
from query_server.writes import check_request_id

UInt64Array = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Addition:
    """Samples were added: their ids uint64 [n], the first version that holds them, and its size."""

    pool_ids: UInt64Array
    index_version: int
    size: int


@dataclass(frozen=True, kw_only=True)
class Removal:
    """`removed` samples are gone: the first version without them, and its size."""

    removed: int
    index_version: int
    size: int


class LivePool:
    """An index, and what was added beside it and removed from it since. Thread-safe.

    Made by `open`, by `rebased` for an index that takes its place, and by `compacted` for one made of a state.

    Attributes:
        folders: Where compacted indexes lie; the same object for every pool over the journal, so that none removes
            what another holds.
    """

    def __init__(
        self,
        journal: Journal,
        base: Pool,
        encode: Encode,
        encoder: str,
        max_added: int,
        *,
        folding: tuple[Moment, str] | None = None,
    ) -> None:
        """Take over the journal, whose lock is held.

        Args:
            journal: Of the pool.
            base: The index.
            encode: Model inputs float32 [n, *input_shape] to features float32 [n, D].
            encoder: Identifies that encoder.
            max_added: Samples that may be added beside the index.
            folding: The moment that the index was made of, and its directory's name.
        """
        self._journal = journal
        self._encode = encode
        self._max_added = max_added
        self.folders = journal.folders
        before = journal.head
        try:
            if folding is None:
                head = go_over(journal, base, encode=encode, encoder=encoder)
            else:
                head = fold(journal, base, *folding)
            self._added = journal.added_ids()  # in the order of their rows
            self._removed = journal.removed_ids()
            self._retired = BitMap64() if journal.compacted is None else journal.compacted.retired
            retired_rows = base.base_ids.rows_of(ids_in(self._retired))
            self._retired_rows = retired_rows[retired_rows >= 0]
            self._state = self._at(base, head, self._added, self._removed)
        except BaseException:
            if journal.head is not before:  # it is beside the new index already: the old pool must not write
                journal.owner = None
            raise
        journal.owner = self

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        base: Pool,
        encode: Encode,
        encoder: str,
        max_added: int = 250_000,
        answer_days: float = 0.0,
        verify: bool = False,
    ) -> Self:
        """Open a pool with the changes made to it so far.

        Args:
            directory: The journal's; made where there is none.
            base: The index.
            encode: Model inputs float32 [n, *input_shape] to features float32 [n, D].
            encoder: Identifies that encoder.
            max_added: Samples that may be added beside the index; every search scans them.
            answer_days: Answers to writes older than this are forgotten; 0 keeps them for good.
            verify: Compare what was added with its hashes; reads all of it.

        Raises:
            DowserError: CORRUPT_FILE or UNAVAILABLE, as the journal and `rebased` say.
        """
        journal = Journal.open(directory, answer_days=answer_days)
        try:
            with journal.lock:
                if verify:
                    journal.verify()
                opened = cls(journal, base, encode, encoder, max_added)
            opened.remove_unused()
            opened.folders.remove_unfinished()
            return opened
        except BaseException:
            journal.close()
            raise

    def rebased(self, base: Pool, *, encode: Encode, encoder: str) -> "LivePool":
        """Return the pool over another index, with what was added and removed; this one only reads from then on.

        Changes are kept by id: what the new index holds by now is taken from it, what it still holds of the removed
        stays removed. Features of another encoder are made anew from the raw samples. Where this raises, nothing
        changed, and this one goes on.

        Raises:
            DowserError: CORRUPT_FILE if the samples added do not fit the new index, or were added as features of
                another encoder; STORAGE_FULL.
        """
        with self._journal.lock:
            return LivePool(self._journal, base, encode, encoder, self._max_added)

    def moment(self) -> Moment:
        """Return the newest state and what a compaction needs to know of it.

        Raises:
            DowserError: UNAVAILABLE if another pool has taken over, COMPACTION_REFUSED if nothing is alive or raw
                samples would be lost.
        """
        with self._journal.lock:
            head, record = self._head(), self._journal.compacted
            if not self._state.size:
                raise errors.compaction_refused(
                    self._state.name, "EMPTY", "every sample was removed; add some"
                )
            if head.rows and head.raw_shape is not None and not self._state.has_samples:
                what = "the raw samples added would be lost, as the index keeps none; serve one that does"
                raise errors.compaction_refused(self._state.name, "SAMPLES", what)
            source = head.base if record is None or record.identity != head.base else record.source
            return Moment(
                state=self._state,
                rows=head.rows,
                removed=self._removed,
                base=head.base,
                source=source,
                encoder=head.encoder,
            )

    def check_moment(self, moment: Moment) -> None:
        """Refuse to go on with a compaction whose result can no longer take the index's place.

        Raises:
            DowserError: COMPACTION_REFUSED if another index or encoder took over since.
        """
        head = self._journal.head
        if head is None or (head.base, head.encoder) != (moment.base, moment.encoder):
            what = "another index or encoder took over meanwhile; ask again"
            raise errors.compaction_refused(self._state.name, "OVERTAKEN", what)

    def compacted(self, base: Pool, moment: Moment, folder: str, *, encode: Encode) -> "LivePool":
        """Return the pool over an index made of a moment; this one only reads from then on.

        What the index holds leaves the journal, and so do the removals up to the moment; later changes stay.

        Args:
            base: The index, of the samples alive at the moment.
            moment: What `moment` returned.
            folder: Name of its directory in `folders`.
            encode: As `open` takes it.

        Raises:
            DowserError: COMPACTION_REFUSED if another index or encoder took over since, STORAGE_FULL; then nothing
                changed.
        """
        with self._journal.lock:
            self._head()
            self.check_moment(moment)
            return LivePool(
                self._journal, base, encode, moment.encoder, self._max_added, folding=(moment, folder)
            )

    def compacted_folder(self, source: str) -> Path | None:
        """Return the directory of the compacted index that stands for a configured one; None where none does."""
        with self._journal.lock:
            return stands_for(self._journal, source)

    def remove_unused(self) -> None:
        """Remove compacted indexes that another took the place of."""
        with self._journal.lock:
            record = self._journal.compacted
            self.folders.drop_all_but(None if record is None else record.folder)
        self.folders.remove_dropped()

    def close(self) -> None:
        """Close the journal, for every pool over it; the index is its opener's to close."""
        with self._journal.lock:
            self._journal.close()

    def current(self) -> Pool:
        """Return the newest state, the same object until the pool changes; take it once a request."""
        return self._state

    def add(
        self,
        values: npt.NDArray[Any],
        *,
        kind: SampleKind,
        pool_ids: UInt64Array | None,
        write: Write,
        checkpoint: Callable[[str], None],
    ) -> Addition:
        """Add samples, all or none; on disk and visible when this returns.

        Args:
            values: Raw samples [n, *raw_shape], or features float32 [n, D].
            kind: Which of the two; features are for pools that keep no samples.
            pool_ids: Their ids uint64 [n]; None assigns those that follow the largest.
            write: Its identity: once made, the same one returns the same answer.
            checkpoint: Raises once the caller no longer waits; then nothing is changed.

        Raises:
            DowserError: INVALID_ARGUMENT, SHAPE_MISMATCH, NOT_FINITE, POOL_ID_EXISTS, POOL_FULL, STORAGE_FULL,
                REQUEST_ID_REUSED, CANCELLED or DEADLINE_EXCEEDED.
        """
        check_request_id(write.id)
        with self._journal.lock:
            stored = self._journal.answers.find(write)
            if stored is not None:
                return self._addition(stored)
        features = features_of(self._state, self._encode, values, kind=kind, checkpoint=checkpoint)
        with self._journal.lock:
            stored = self._journal.answers.find(write)  # a duplicate may have been quicker
            if stored is not None:
                return self._addition(stored)
            old, before = self._head(), self._state
            if old.rows + len(values) > self._max_added:
                raise errors.pool_full(old.rows, len(values), self._max_added)
            keeps = before.has_samples if old.rows == 0 else old.raw_shape is not None
            if keeps and kind == "features":
                raise errors.invalid_argument("kind", kind, "raw, as the samples added before are kept raw")
            ids = new_ids(
                before,
                pool_ids,
                len(values),
                added=self._added,
                removed=self._removed,
                retired=self._retired,
            )
            checkpoint("commit")  # the last moment to change nothing
            head = replace(
                old,
                index_version=old.index_version + 1,
                rows=old.rows + len(ids),
                raw_shape=before.raw_shape if keeps else None,
                raw_dtype=str(before.raw_dtype) if keeps else None,
            )
            samples = np.ascontiguousarray(values, before.raw_dtype) if keeps else None
            try:
                self._journal.files.write(samples, features, replace(head, rows=old.rows))
                added = np.concatenate([self._added, ids])
                state = self._at(before, head, added, self._removed)
                answer = {"ids": ids, "index_version": head.index_version, "size": state.size}
                self._journal.add(head, ids, samples, features, write, answer)
            except BaseException:
                self._journal.cut()
                raise
            self._added, self._state = added, state
            return self._addition(answer)

    def remove(self, pool_ids: UInt64Array, write: Write) -> Removal:
        """Remove samples, all or none; durable when this returns. Those removed before change nothing.

        Raises:
            DowserError: INVALID_ARGUMENT, POOL_ID_NOT_FOUND, STORAGE_FULL or REQUEST_ID_REUSED.
        """
        check_request_id(write.id)
        if not 1 <= len(pool_ids) <= MAX_CHANGED:
            raise errors.invalid_argument(
                "pool_ids", f"{len(pool_ids)} entries", f"1 to {MAX_CHANGED} entries"
            )
        with self._journal.lock:
            stored = self._journal.answers.find(write)
            if stored is not None:
                return Removal(**stored)
            old, before = self._head(), self._state
            ids = np.unique(np.asarray(pool_ids, np.uint64))
            ids = ids[~np.isin(ids, self._removed) & ~members(ids, self._retired)]
            unknown = before.rows_of(ids) < 0
            if unknown.any():
                raise errors.pool_id_not_found(int(ids[unknown][0]), int(unknown.sum()))
            head = replace(old, index_version=old.index_version + bool(len(ids)))
            removed = np.concatenate([self._removed, ids])
            state = self._at(before, head, self._added, removed) if len(ids) else before
            answer = {"removed": len(ids), "index_version": head.index_version, "size": state.size}
            self._journal.remove(head, ids, write, answer)
            self._removed, self._state = removed, state
            return Removal(**answer)

    def copy_to(self, directory: Path) -> None:
        """Write a copy of the journal, as it stands at one moment, and its compacted index into a new directory.

        Raises:
            DowserError: STORAGE_FULL.
        """
        with ExitStack() as kept:
            with self._journal.lock:
                rows = self._journal.copy_database(directory)
                record = self._journal.compacted
                if record is not None:
                    kept.enter_context(self.folders.held(record.folder))
            rows.copy_to(directory)  # without the lock: additions go on meanwhile
            if record is not None:
                self.folders.copy_to(record.folder, directory)

    def _head(self) -> Head:
        """Return where the journal stands, to write what follows; its lock is held."""
        head = self._journal.head
        if head is None or self._journal.owner is not self:
            raise errors.unavailable("the index is being reloaded; send the request again", 0.1)
        return head

    def _at(self, base: Pool, head: Head, added_ids: UInt64Array, removed: UInt64Array) -> Pool:
        """Return the state over an index that a head and these ids describe. O(R)."""
        added = None
        passed_over = np.empty(0, np.int64)
        if head.rows:
            added = Added(
                features=self._journal.files.features(head),
                samples=self._journal.files.samples(head) if base.has_samples else None,
                ids=PoolIds(added_ids),
            )
            passed_over = np.flatnonzero(base.base_ids.rows_of(added_ids) >= 0)
        whole = base.changed(added=added, alive=None, removed=0, index_version=head.index_version)
        rows = whole.rows_of(removed)
        rows = rows[rows >= 0]
        rows = np.concatenate([rows, self._retired_rows])
        if not len(rows) and not len(passed_over):
            return whole
        alive = np.ones(whole.rows, bool)
        alive[rows] = False
        alive[len(base.base_ids) + passed_over] = False
        return base.changed(added=added, alive=alive, removed=len(rows), index_version=head.index_version)

    @staticmethod
    def _addition(answer: dict[str, Any]) -> Addition:
        return Addition(pool_ids=answer["ids"], index_version=answer["index_version"], size=answer["size"])


def compacted_folder(directory: Path, source: str) -> Path | None:
    """Return the compacted index that stands for a configured one, as a journal that nobody has open says; or None.

    Raises:
        DowserError: CORRUPT_FILE, UNAVAILABLE or STORAGE_FULL, as opening the pool would.
    """
    if not (directory / DATABASE).exists():
        return None
    with closing(Journal.open(directory)) as journal:
        return stands_for(journal, source)


def stands_for(journal: Journal, source: str) -> Path | None:
    """Return the directory of the compacted index that stands for a configured one; None where none does."""
    record = journal.compacted
    return None if record is None or record.source != source else journal.directory / record.folder
