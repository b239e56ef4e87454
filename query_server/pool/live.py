"""A pool that changes while it is served: samples are added and removed, durably, one state after the other.

Readers take the current state and keep it for as long as their request lasts; a writer makes the next one, has the
journal put it on disk, and then shows it. So a request sees one state, and whoever was answered finds the change in
every state from the index version named.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.pool.ids import PoolIds
from query_server.pool.journal import Head, Journal, Write
from query_server.pool.pool import Pool
from query_server.pool.segments import Added

Float32Array = npt.NDArray[np.float32]
UInt64Array = npt.NDArray[np.uint64]
Encode = Callable[[Float32Array], Float32Array]
SampleKind = Literal["raw", "features"]

MAX_CHANGED = 100_000
MAX_REQUEST_ID_LENGTH = 128
_CHUNK = 1024  # samples encoded at a time
_log = logging.getLogger(__name__)


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

    Made by `open`, and by `rebased` for an index that takes its place.
    """

    def __init__(self, journal: Journal, base: Pool, encode: Encode, encoder: str, max_added: int) -> None:
        """Take over the journal, whose lock is held."""
        self._journal = journal
        self._encode = encode
        self._max_added = max_added
        self._added = journal.added_ids()  # in the order of their rows
        self._removed = journal.removed_ids()
        before = journal.head
        try:
            head = self._go_over(base, encoder)
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
        verify: bool = False,
    ) -> Self:
        """Open a pool with the changes made to it so far.

        Args:
            directory: The journal's; made where there is none.
            base: The index.
            encode: Model inputs float32 [n, *input_shape] to features float32 [n, D].
            encoder: Identifies that encoder.
            max_added: Samples that may be added in all; every search scans them.
            verify: Compare what was added with its hashes; reads all of it.

        Raises:
            DowserError: CORRUPT_FILE or UNAVAILABLE, as the journal and `rebased` say.
        """
        journal = Journal.open(directory)
        try:
            with journal.lock:
                if verify:
                    journal.verify()
                return cls(journal, base, encode, encoder, max_added)
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
        _check_request_id(write)
        with self._journal.lock:
            stored = self._journal.answer(write)
            if stored is not None:
                return self._addition(stored)
        features = self._features_of(values, kind, checkpoint)
        with self._journal.lock:
            stored = self._journal.answer(write)  # a duplicate may have been quicker
            if stored is not None:
                return self._addition(stored)
            old, before = self._head(), self._state
            if old.rows + len(values) > self._max_added:
                raise errors.pool_full(old.rows, len(values), self._max_added)
            ids = self._new_ids(before, pool_ids, len(values))
            checkpoint("commit")  # the last moment to change nothing
            keeps = before.has_samples if old.rows == 0 else old.raw_shape is not None
            head = replace(
                old,
                index_version=old.index_version + 1,
                rows=old.rows + len(ids),
                raw_shape=before.raw_shape if keeps else None,
                raw_dtype=str(before.raw_dtype) if keeps else None,
            )
            samples = np.ascontiguousarray(values, before.raw_dtype) if keeps else None
            try:
                self._journal.write_rows(samples, features, replace(head, rows=old.rows))
                added = np.concatenate([self._added, ids])
                state = self._at(before, head, added, self._removed)
                answer = {
                    "first_row": old.rows,
                    "count": len(ids),
                    "index_version": head.index_version,
                    "size": state.size,
                }
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
        _check_request_id(write)
        if not 1 <= len(pool_ids) <= MAX_CHANGED:
            raise errors.invalid_argument(
                "pool_ids", f"{len(pool_ids)} entries", f"1 to {MAX_CHANGED} entries"
            )
        with self._journal.lock:
            stored = self._journal.answer(write)
            if stored is not None:
                return Removal(**stored)
            old, before = self._head(), self._state
            ids = np.unique(np.asarray(pool_ids, np.uint64))
            ids = ids[~np.isin(ids, self._removed)]
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
        """Write a copy of the journal, as it stands at one moment, into a new directory.

        Raises:
            DowserError: STORAGE_FULL.
        """
        with self._journal.lock:
            self._journal.copy_to(directory)

    def _head(self) -> Head:
        """Return where the journal stands, to write what follows; its lock is held."""
        head = self._journal.head
        if head is None or self._journal.owner is not self:
            raise errors.unavailable("the index is being reloaded; send the request again", 0.1)
        return head

    def _go_over(self, base: Pool, encoder: str) -> Head:
        """Bring the journal beside an index; return where it stands then."""
        identity = hashlib.sha256(base.manifest.SerializeToString(deterministic=True)).hexdigest()
        old = self._journal.head
        if old is None:
            head = Head(
                index_version=base.index_version,
                rows=0,
                base=identity,
                encoder=encoder,
                generation=1,
                raw_shape=None,
                raw_dtype=None,
                feature_dim=base.feature_dim,
            )
            self._journal.start(head)
            return head
        version = max(old.index_version, base.index_version) + (old.base != identity)
        head = replace(old, base=identity, index_version=version)
        anew = old.encoder != encoder
        if anew:
            head = replace(head, encoder=encoder, feature_dim=base.feature_dim, generation=old.generation + 1)
        if old.rows:
            self._check_layout(base, old, same_encoder=not anew)
        if old.rows and anew:
            _log.info("pool %s: encoding %d added samples with another encoder", base.name, head.rows)
            self._journal.replace_features(head, self._encoded_anew(base, old))
        elif head != old:
            self._journal.start(head)
        return head

    def _at(self, base: Pool, head: Head, added_ids: UInt64Array, removed: UInt64Array) -> Pool:
        """Return the state over an index that a head and these ids describe. O(R)."""
        added = None
        passed_over = np.empty(0, np.int64)
        if head.rows:
            added = Added(
                features=self._journal.features(head),
                samples=self._journal.samples(head) if base.has_samples else None,
                ids=PoolIds(added_ids),
            )
            passed_over = np.flatnonzero(base.base_ids.rows_of(added_ids) >= 0)
        whole = base.changed(added=added, alive=None, removed=0, index_version=head.index_version)
        rows = whole.rows_of(removed)
        rows = rows[rows >= 0]
        if not len(rows) and not len(passed_over):
            return whole
        alive = np.ones(whole.rows, bool)
        alive[rows] = False
        alive[len(base.base_ids) + passed_over] = False
        return base.changed(added=added, alive=alive, removed=len(rows), index_version=head.index_version)

    def _addition(self, answer: dict[str, int]) -> Addition:
        return Addition(
            pool_ids=self._journal.added_ids(answer["first_row"], answer["count"]),
            index_version=answer["index_version"],
            size=answer["size"],
        )

    def _features_of(
        self, values: npt.NDArray[Any], kind: SampleKind, checkpoint: Callable[[str], None]
    ) -> Float32Array:
        """Check what is to be added and return its features float32 [n, D]."""
        state = self._state
        if not 1 <= len(values) <= MAX_CHANGED:
            raise errors.invalid_argument("count", len(values), f"1 to {MAX_CHANGED}")
        if kind == "features":
            if state.has_samples:
                raise errors.invalid_argument("kind", kind, "raw, as this pool keeps its samples")
            if values.shape[1:] != (state.feature_dim,):
                raise errors.shape_mismatch(("n", state.feature_dim), values.shape, what="features")
            features = np.ascontiguousarray(values, np.float32)
        else:
            if values.shape[1:] != state.raw_shape:
                raise errors.shape_mismatch(("n", *state.raw_shape), values.shape, what="samples")
            if values.dtype != state.raw_dtype:
                raise errors.invalid_argument(
                    "samples", str(values.dtype), f"{state.raw_dtype}, as the pool's are"
                )
            parts = []
            for start in range(0, len(values), _CHUNK):
                checkpoint("encode")
                parts.append(self._encode(state.preprocessing.to_input(values[start : start + _CHUNK])))
            features = np.concatenate(parts)
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            raise errors.not_finite("features", int(np.argmin(finite)))
        return features

    def _new_ids(self, state: Pool, given: UInt64Array | None, count: int) -> UInt64Array:
        """Return the ids of new samples, assigned or checked to be new."""
        added, removed = self._added, self._removed
        if given is None:
            largest = max(state.base_ids.largest(), int(added.max(initial=0)), int(removed.max(initial=0)))
            if largest + count >= 2**64:
                raise errors.invalid_argument(
                    "pool_ids", "none", f"given: the pool's largest id is {largest} and leaves none to assign"
                )
            return np.arange(largest + 1, largest + 1 + count, dtype=np.uint64)
        ids = np.asarray(given, np.uint64)
        if len(ids) != count:
            raise errors.invalid_argument("pool_ids", f"{len(ids)} entries", f"{count} entries, one a sample")
        if len(np.unique(ids)) != count:
            raise errors.invalid_argument("pool_ids", "an id twice", "distinct ids")
        exists = (state.base_ids.rows_of(ids) >= 0) | np.isin(ids, added) | np.isin(ids, removed)
        if exists.any():
            raise errors.pool_id_exists(int(ids[exists][0]), int(exists.sum()))
        return ids

    def _check_layout(self, base: Pool, old: Head, *, same_encoder: bool) -> None:
        """Refuse an index that the samples added so far cannot be served beside."""
        where, undo = self._journal.directory, "move this directory away and add its samples again"
        raw = (tuple(base.raw_shape), str(base.raw_dtype))
        if old.raw_shape is None and (base.has_samples or not same_encoder):
            what = "the index keeps raw samples" if base.has_samples else "the bundle has another encoder"
            raise errors.corrupt_file(
                where,
                f"{old.rows} samples were added as features and {what}; serve the index and bundle they were added to, "
                f"or {undo}",
            )
        if old.raw_shape is not None and (old.raw_shape, old.raw_dtype) != raw:
            raise errors.corrupt_file(
                where,
                f"{old.rows} samples of {old.raw_dtype} {list(old.raw_shape)} were added and the index is of {raw[1]} "
                f"{list(raw[0])}; serve the index they were added to, or {undo}",
            )

    def _encoded_anew(self, base: Pool, old: Head) -> Iterator[Float32Array]:
        samples = self._journal.samples(old)
        assert samples is not None  # the layout was checked
        for first_row, count in self._journal.batches():
            batch = samples[first_row : first_row + count]
            features = np.concatenate(
                [
                    self._encode(base.preprocessing.to_input(batch[start : start + _CHUNK]))
                    for start in range(0, count, _CHUNK)
                ]
            )
            finite = np.isfinite(features).all(axis=1)
            if not finite.all():
                raise errors.not_finite("features of added samples", first_row + int(np.argmin(finite)))
            yield features


def _check_request_id(write: Write) -> None:
    if not 1 <= len(write.id) <= MAX_REQUEST_ID_LENGTH:
        raise errors.invalid_argument("request_id", write.id[:40], f"1 to {MAX_REQUEST_ID_LENGTH} characters")
