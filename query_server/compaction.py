"""Folds what was added to a pool and removed from it into a new index, on one thread, when it is due or asked for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from dataclasses import dataclass, replace

from query_server.errors import DowserError, cancelled, compaction_refused, unavailable
from query_server.pool import CompactedFolders, Moment, Pool
from query_server.serving import Generation, Serving

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 2.0
_WAIT_SECONDS = 0.1
_FULL = 0.8  # of the samples that may be added beside the index
_RETRY_SECONDS, _LONGEST_RETRY_SECONDS = 30.0, 3600.0


@dataclass(frozen=True, kw_only=True)
class Compaction:
    """What a compaction did.

    Attributes:
        pool: The pool's name.
        size: Samples in it.
        index_version: Served now.
        compacted_index_version: What was compacted; the same where there was nothing to do.
        added: Samples that were beside the index and are in it now.
        removed: Removed samples that its files still held.
        seconds: It took.
    """

    pool: str
    size: int
    index_version: int
    compacted_index_version: int
    added: int
    removed: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CompactionCounts:
    """How many there were since the start, how many failed, and how long the last one took."""

    done: int = 0
    failed: int = 0
    last_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Due:
    """When a compaction begins by itself.

    Attributes:
        part: Of the index's samples, how many may be beside it or removed; 0 means never.
        least: Fewer of them are never worth it.
        most_added: Samples that may be beside the index at all; it is due well before.
    """

    part: float
    least: int
    most_added: int

    def applies(self, pool: Pool) -> bool:
        """Whether a state should be compacted."""
        if not self.part or not pool.size:
            return False
        beside = pool.rows - len(pool.base_ids)
        if beside >= max(1, _FULL * self.most_added):
            return True
        return outside(pool) >= max(self.least, self.part * len(pool.base_ids), 1)


#: Writes the index of a moment under a directory's name; told when to give up.
Build = Callable[[Generation, Moment, str, Callable[[], None]], None]
#: Opens the generation that serves it.
OpenNext = Callable[[Generation, Moment, str], Generation]


def outside(pool: Pool) -> int:
    """Return how many rows are beside the index or removed: what every search pays for."""
    return pool.rows - len(pool.base_ids) + pool.removed


class Compactor:
    """Compacts one pool at a time. Thread-safe.

    Args:
        serving: What is served.
        build: Writes an index.
        open_next: Opens it.
        due: When to begin unasked.
    """

    def __init__(self, serving: Serving, *, build: Build, open_next: OpenNext, due: Due) -> None:
        self._serving = serving
        self._build = build
        self._open_next = open_next
        self._due = due
        self._changed = threading.Condition()
        self._asked: list[Future[Compaction]] = []
        self._stop = threading.Event()
        self._counts = CompactionCounts()
        self._not_before, self._retry_seconds = 0.0, _RETRY_SECONDS
        self._thread = threading.Thread(target=self._run, name="dowser-compact")

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def counts(self) -> CompactionCounts:
        """What was done since the start."""
        return self._counts

    def compact(self, checkpoint: Callable[[str], None]) -> Compaction:
        """Compact what the pool holds now and wait for it.

        Args:
            checkpoint: Raises once the caller no longer waits; what is under way goes on.

        Raises:
            DowserError: COMPACTION_REFUSED, or UNAVAILABLE while the server stops.
        """
        asked: Future[Compaction] = Future()
        with self._changed:
            if self._stop.is_set():
                raise _stopping()
            self._asked.append(asked)
            self._changed.notify_all()
        while True:
            checkpoint("compact")
            try:
                return asked.result(timeout=_WAIT_SECONDS)
            except NotYetError:
                continue

    def close(self) -> None:
        """Give up what is under way and wait for the thread to end."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        for asked in self._asked:
            asked.set_exception(_stopping())

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._asked:
                    self._changed.wait(_LOOK_SECONDS)
                if self._stop.is_set():
                    return
                asked, self._asked = self._asked, []
            is_due = time.monotonic() >= self._not_before and self._due.applies(self._serving.pool())
            if not asked and not is_due:
                continue
            try:
                done = self._compact()
            except DowserError as error:
                self._failed(error, asked)
            except Exception as error:
                _LOG.exception("the compaction failed, what was served before goes on")
                self._failed(error, asked)
            else:
                self._retry_seconds = _RETRY_SECONDS
                for each in asked:
                    each.set_result(done)

    def _compact(self) -> Compaction:
        started = time.monotonic()
        with self._serving.use() as generation:
            moment = generation.live.moment()
            state = moment.state
            done = Compaction(
                pool=state.name,
                size=state.size,
                index_version=state.index_version,
                compacted_index_version=state.index_version,
                added=state.added,
                removed=state.removed,
                seconds=0.0,
            )
            if not outside(state):
                return done
            _LOG.info(
                "pool %s: compacting version %d: %d samples, %d of them beside the index, %d removed",
                *(state.name, state.index_version, state.size, state.added, state.removed),
            )
            live, folder = generation.live, CompactedFolders.name_of(state.index_version)

            def checkpoint() -> None:
                if self._stop.is_set():
                    raise cancelled("compact")
                live.check_moment(moment)

            try:
                # From before it is there: until the journal names it, whoever tidies up takes it for an old one.
                with live.folders.held(folder):
                    self._build(generation, moment, folder, checkpoint)
                    _, served = self._serving.replace(lambda old: self._open_next(old, moment, folder))
            except BaseException:
                live.remove_unused()
                raise
        pool, seconds = served.live.current(), time.monotonic() - started
        self._counts = replace(self._counts, done=self._counts.done + 1, last_seconds=seconds)
        _LOG.info(
            "pool %s: compacted version %d in %.1f s: %s of %d samples, recall@10 %.3f, version %d with %d beside it",
            *(pool.name, state.index_version, seconds, pool.manifest.factory, state.size),
            *(pool.manifest.recall_at_10, pool.index_version, pool.added),
        )
        return replace(done, size=pool.size, index_version=pool.index_version, seconds=seconds)

    def _failed(self, error: Exception, asked: list[Future[Compaction]]) -> None:
        if self._stop.is_set():  # given up, which is no failure
            for each in asked:
                each.set_exception(_stopping())
            return
        self._counts = replace(self._counts, failed=self._counts.failed + 1)
        self._not_before = time.monotonic() + self._retry_seconds
        self._retry_seconds = min(2 * self._retry_seconds, _LONGEST_RETRY_SECONDS)
        pool = self._serving.pool_name
        if not isinstance(error, DowserError):
            refused = compaction_refused(pool, "FAILED", "an unexpected fault, which the log tells")
        elif error.metadata.get("pool") == pool and "why" in error.metadata:
            refused = error
        else:
            refused = compaction_refused(pool, str(error.reason), error.message)
        _LOG.warning(
            "%s; it is tried again by itself after %.0f s at the earliest", refused, self._retry_seconds / 2
        )
        for each in asked:
            each.set_exception(refused)


def _stopping() -> DowserError:
    return unavailable("the server is stopping")
