"""What one caller may ask of the server at once and over time, and what all together may make it hold.

A rate is a token bucket: full at first, refilled steadily, empty means come back later. Belongs to the event loop; no
method blocks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from query_server.errors import overloaded, too_large

_BUSY_RETRY_SECONDS = 0.5
# Seconds of its rate that a caller may use at once.
_BURST_SECONDS = 2.0
_MINUTE_SECONDS = 60.0
_MAX_IDLE_CALLERS = 4096


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of calls; 0 turns one off.

    Attributes:
        concurrency: Calls of one caller at the same time.
        requests_per_second: Calls of one caller, averaged over two seconds.
        upload_bytes_per_minute: Bytes of one caller's streamed requests.
        memory_bytes: Bytes of all requests under way.
        stream_bytes: Bytes of one streamed request.
        idle_seconds: Longest wait for a call's next message.
        stream_seconds: Longest time a streamed request may take to arrive.
    """

    concurrency: int = 0
    requests_per_second: float = 0.0
    upload_bytes_per_minute: int = 0
    memory_bytes: int = 0
    stream_bytes: int = 0
    idle_seconds: float = 0.0
    stream_seconds: float = 0.0


class Bucket:
    """A token bucket.

    Args:
        rate: Refilled per second.
        capacity: Held at most, and at first.
        clock: Seconds that never go back.
    """

    def __init__(self, *, rate: float, capacity: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._capacity, self._clock = rate, capacity, clock
        self._level, self._time = capacity, clock()

    def take(self, amount: float) -> float:
        """Take an amount; returns 0, or the seconds after which it could be taken, and then takes nothing.

        An amount above the capacity is taken from a full bucket and leaves a debt.
        """
        now = self._clock()
        self._level = min(self._capacity, self._level + (now - self._time) * self._rate)
        self._time = now
        missing = min(amount, self._capacity) - self._level
        if missing > 0:
            return missing / self._rate
        self._level -= amount
        return 0.0

    def is_full(self) -> bool:
        """Tell whether forgetting the bucket would change nothing."""
        return self._level + (self._clock() - self._time) * self._rate >= self._capacity


class _Caller:
    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.calls = 0
        rate, minute = limits.requests_per_second, limits.upload_bytes_per_minute
        self.requests = Bucket(rate=rate, capacity=max(1.0, rate * _BURST_SECONDS), clock=clock)
        self.uploads = Bucket(rate=minute / _MINUTE_SECONDS, capacity=minute, clock=clock)


class Usage:
    """What callers use at this moment, held against the limits."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._clock = clock
        self._callers: dict[str, _Caller] = {}
        self._held_bytes = 0

    @contextmanager
    def call(self, caller: str) -> Iterator[None]:
        """Count a call while it lasts.

        Raises:
            DowserError: OVERLOADED.
        """
        entry = self._entry(caller)
        limits = self.limits
        if limits.concurrency and entry.calls >= limits.concurrency:
            raise overloaded(
                "the number of your calls under way",
                limits.concurrency,
                retry_after_seconds=_BUSY_RETRY_SECONDS,
            )
        if limits.requests_per_second and (wait := entry.requests.take(1)):
            raise overloaded(
                "your calls a second", limits.requests_per_second, retry_after_seconds=_rounded(wait)
            )
        entry.calls += 1
        try:
            yield
        finally:
            entry.calls -= 1

    def upload(self, caller: str, size_bytes: int) -> None:
        """Count bytes of a streamed request.

        Raises:
            DowserError: OVERLOADED.
        """
        limit = self.limits.upload_bytes_per_minute
        if limit and (wait := self._entry(caller).uploads.take(size_bytes)):
            raise overloaded("your uploaded bytes a minute", limit, retry_after_seconds=_rounded(wait))

    def hold(self, size_bytes: int) -> None:
        """Count bytes held in memory, until they are let go.

        Raises:
            DowserError: OVERLOADED, or TOO_LARGE for what can never be held.
        """
        limit = self.limits.memory_bytes
        if limit and size_bytes > limit:
            raise too_large(f"a message of {size_bytes} bytes", limit)
        if limit and self._held_bytes + size_bytes > limit:
            raise overloaded(
                "the bytes of requests under way", limit, retry_after_seconds=_BUSY_RETRY_SECONDS
            )
        self._held_bytes += size_bytes

    def let_go(self, size_bytes: int) -> None:
        """Stop counting bytes."""
        self._held_bytes -= size_bytes

    def _entry(self, name: str) -> _Caller:
        entry = self._callers.get(name)
        if entry is None:
            self._forget_idle()
            entry = self._callers[name] = _Caller(self.limits, self._clock)
        return entry

    def _forget_idle(self) -> None:
        """Keep the table small: addresses come and go."""
        if len(self._callers) < _MAX_IDLE_CALLERS:
            return
        idle = [
            name
            for name, entry in self._callers.items()
            if not entry.calls and entry.requests.is_full() and entry.uploads.is_full()
        ]
        for name in idle:
            del self._callers[name]


def _rounded(seconds: float) -> float:
    return max(0.01, round(seconds, 2))
