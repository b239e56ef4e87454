"""One lock per request id, so that a duplicate waits for the first instead of doing its work again."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from query_server.patience import require_waiting

_LOOK_SECONDS = 0.05
_STAGE = "an identical request in progress"


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
    def hold(self, request_id: str) -> Iterator[None]:
        """Hold the lock of a request id.

        Raises:
            DowserError: CANCELLED or DEADLINE_EXCEEDED if the caller no longer waits while another call holds it.
        """
        with self._guard:
            entry = self._entries.setdefault(request_id, _Entry())
            entry.users += 1
        held = False
        try:
            while not (held := entry.lock.acquire(timeout=_LOOK_SECONDS)):
                require_waiting(_STAGE)
            yield
        finally:
            if held:
                entry.lock.release()
            with self._guard:
                entry.users -= 1
                if not entry.users:
                    del self._entries[request_id]
