"""Liveness and readiness: whether the process should be restarted, and whether it should get requests."""

from __future__ import annotations

import asyncio
import threading

LOOP_SECONDS = 5.0


class Vitals:
    """Asked by the HTTP thread, told by the server's start and drain. Not ready until told."""

    def __init__(self) -> None:
        self._reason: str | None = "starting: the index is not open yet"
        self._loop: asyncio.AbstractEventLoop | None = None

    def ready(self) -> None:
        """Note that requests are answered from now on."""
        self._reason = None

    def not_ready(self, reason: str) -> None:
        """Note why no more requests should come, for example that the server drains."""
        self._reason = reason

    def why_not_ready(self) -> str | None:
        """Return the reason, None when ready."""
        return self._reason

    def watch(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Count as alive while this event loop turns; None while there is none."""
        self._loop = loop

    def alive(self, timeout_seconds: float = LOOP_SECONDS) -> bool:
        """Tell whether the event loop gets to run something within the timeout."""
        loop = self._loop
        if loop is None:
            return True
        turned = threading.Event()
        try:
            loop.call_soon_threadsafe(turned.set)
        except RuntimeError:  # closed: the server has ended and nobody said so
            return False
        return turned.wait(timeout_seconds)
