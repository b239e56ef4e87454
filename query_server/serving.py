"""What is served together, and how it is replaced without dropping a call.

A bundle, the pool indexed with it, the classifiers spliced with it and the selection over them make one generation. A
call takes the current one for its whole life; a reload opens another beside it, swaps, and closes the old one when its
last call has ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from query_server.errors import DowserError, pool_not_found, reload_refused
from query_server.models import Bundle
from query_server.models.sandbox import Sandbox, SandboxedClassifiers
from query_server.pool import LivePool, Pool
from query_server.selection.augmentation import Augmentation
from query_server.selection.remote_scoring import RemoteScoring
from query_server.selection.service import SelectionService

_LOG = logging.getLogger(__name__)


class Users:
    """Counts who uses something, the first included, and closes it after the last. Thread-safe."""

    def __init__(self, close: Callable[[], None]) -> None:
        self._close = close
        self._count = 1
        self._lock = threading.Lock()

    def join(self) -> None:
        """Note one more."""
        with self._lock:
            self._count += 1

    def leave(self) -> None:
        """Note one less."""
        with self._lock:
            self._count -= 1
            is_last = self._count == 0
        if is_last:
            self._close()


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What one call sees.

    Attributes:
        bundle: Generator and encoder.
        live: The real samples, and what was added and removed.
        classifiers: The uploaded ones.
        sandbox: The worker processes they run in.
        sandbox_users: Who closes it; generations of one bundle share it.
        selection: The rounds over them.
        remote_scoring: The rounds whose candidates the caller scores.
        augmentation: Companions of labeled samples.
        index_dir: The configured index's folder, links resolved; a compacted one may be served in its place.
        index_digest: sha256 of its manifest, hexadecimal.
        close: Gives back what it alone holds; the pool's journal goes on.
    """

    bundle: Bundle
    live: LivePool
    classifiers: SandboxedClassifiers
    sandbox: Sandbox
    sandbox_users: Users
    selection: SelectionService
    remote_scoring: RemoteScoring
    augmentation: Augmentation
    index_dir: Path
    index_digest: str
    close: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """What a reload did.

    Attributes:
        pool: The pool's name.
        size: N.
        bundle_digest: sha256 of the bundle's manifest.
        index_digest: sha256 of the index's manifest.
        index_version: Served now.
        previous_index_version: Served before.
        seconds: Spent opening and verifying.
    """

    pool: str
    size: int
    bundle_digest: str
    index_digest: str
    index_version: int
    previous_index_version: int
    seconds: float


class _Held:
    """A generation and how many calls use it."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.users = 0


class Serving:
    """Holds the current generation. Thread-safe.

    Args:
        first: What is served from the start.
    """

    def __init__(self, first: Generation) -> None:
        self._held = _Held(first)
        self._lock = threading.Lock()
        self._reloading = threading.Lock()
        self._closing: list[threading.Thread] = []

    @property
    def pool_name(self) -> str:
        """The pool's name, the same for every generation."""
        return self._held.generation.live.current().name

    def require_pool(self, name: str) -> None:
        """Refuse the name of a pool that is not served; "" means the one that is.

        Raises:
            DowserError: POOL_NOT_FOUND.
        """
        if name not in ("", self.pool_name):
            raise pool_not_found(name)

    def pool(self) -> Pool:
        """Return the pool's newest state; a call that asks more than once takes a generation instead."""
        return self._held.generation.live.current()

    @property
    def sandbox(self) -> Sandbox:
        """The worker processes of the current generation."""
        return self._held.generation.sandbox

    @contextmanager
    def use(self) -> Iterator[Generation]:
        """Keep the current generation open until the block ends."""
        with self._lock:
            held = self._held
            held.users += 1
        try:
            yield held.generation
        finally:
            with self._lock:
                held.users -= 1
                self._close_unused(held)

    def serves(self, generation: Generation) -> bool:
        """Tell whether a generation is the current one."""
        return self._held.generation is generation

    def reload(self, open_next: Callable[[Generation], Generation]) -> Reloaded:
        """Open another generation and serve it in place of the current one. One at a time; others wait.

        Args:
            open_next: Opens and verifies it, given the current one; it raises where it may not take its place.

        Raises:
            DowserError: RELOAD_REFUSED; the current one goes on.
        """
        started = time.monotonic()
        before, new = self.replace(lambda old: _refusing(open_next, old))
        pool = new.live.current()
        reloaded = Reloaded(
            pool=pool.name,
            size=pool.size,
            bundle_digest=new.bundle.digest,
            index_digest=new.index_digest,
            index_version=pool.index_version,
            previous_index_version=before,
            seconds=time.monotonic() - started,
        )
        _LOG.info(
            "reloaded in %.1f s: bundle %s, index version %d with %d samples",
            *(reloaded.seconds, reloaded.bundle_digest[:12], reloaded.index_version, reloaded.size),
        )
        return reloaded

    def replace(self, open_next: Callable[[Generation], Generation]) -> tuple[int, Generation]:
        """Serve another generation in place of the current one. One at a time; others wait.

        Returns:
            The index version served before, and the new generation.
        """
        with self._reloading, self.use() as old:
            before = old.live.current().index_version
            new = open_next(old)
            with self._lock:
                retired, self._held = self._held, _Held(new)
                self._close_unused(retired)
        return before, new

    def close(self) -> None:
        """Close every generation and the pool's journal; no call may be under way."""
        self._held.generation.close()
        for thread in self._closing:
            thread.join()
        self._held.generation.live.close()

    def _close_unused(self, held: _Held) -> None:
        """Close a retired generation that nothing uses, on a thread of its own: no call waits for it."""
        if held is not self._held and held.users == 0:
            self._closing = [thread for thread in self._closing if thread.is_alive()]
            thread = threading.Thread(target=_close, args=(held.generation,), name="dowser-retire")
            self._closing.append(thread)
            thread.start()


def _refusing(open_next: Callable[[Generation], Generation], old: Generation) -> Generation:
    try:
        return open_next(old)
    except DowserError as error:
        raise reload_refused(str(error.reason), error.message, error.metadata) from error
    except OSError as error:
        raise reload_refused("UNREADABLE", str(error), {"file": str(error.filename)}) from error


def _close(generation: Generation) -> None:
    try:
        generation.close()
    except Exception:
        _LOG.exception("closing the index %s, which is served no more", generation.index_dir)
