"""Lets work that can wait go after work that somebody waits for; a leaf."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.05


class Courtesy:
    """Counts the interactive requests under way. Thread-safe.

    Args:
        patience_seconds: Longest that a piece of other work waits for them, so that steady traffic never starves it.
    """

    def __init__(self, *, patience_seconds: float = 2.0) -> None:
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._under_way = 0

    @contextmanager
    def interactive(self) -> Iterator[None]:
        """Count a request that somebody waits for while it lasts."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def give_way(self, tick: Callable[[], None]) -> None:
        """Wait until none is under way, or until patience ends.

        Args:
            tick: Called at least every 50 ms; what it raises ends the waiting.
        """
        end = time.monotonic() + self._patience_seconds
        with self._changed:
            while True:
                tick()
                left = end - time.monotonic()
                if not self._under_way or left <= 0:
                    return
                self._changed.wait(min(left, _LOOK_SECONDS))
