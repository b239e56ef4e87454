"""One lock per request id, so that a duplicate waits for the first instead of doing its work again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from query_server import errors


@dataclass
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class RequestLocks:
    """Locks made on demand and dropped when nobody holds or awaits them."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    @contextmanager
    def hold(self, request_id: str, timeout_seconds: float | None) -> Iterator[None]:
        """Hold the lock of a request id.

        Raises:
            DowserError: DEADLINE_EXCEEDED if another call holds it for longer than the timeout.
        """
        with self._guard:
            entry = self._entries.setdefault(request_id, _Entry())
            entry.users += 1
        held = False
        try:
            held = entry.lock.acquire(timeout=-1 if timeout_seconds is None else max(0.0, timeout_seconds))
            if not held:
                raise errors.deadline_exceeded("an identical request in progress")
            yield
        finally:
            if held:
                entry.lock.release()
            with self._guard:
                entry.users -= 1
                if not entry.users:
                    del self._entries[request_id]
