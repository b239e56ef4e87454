"""When a failed call is sent again, and after how long.

Why not grpc's own retries (a retryPolicy in the service config): they look at the status code alone, so they
cannot tell "too large" from "overloaded, come back in 200 ms", both RESOURCE_EXHAUSTED; they cap at five
attempts; and a streamed upload beyond the per-call buffer (256 KiB) is never retried. The loop around this
class is six lines.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc

from client.errors import DowserError, invalid_argument


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """Exponential backoff with jitter; the call's deadline bounds it all.

    Attributes:
        max_attempts: Times a call is sent at most; 1 turns retries off.
        initial_backoff_seconds: Wait before the second attempt.
        max_backoff_seconds: Longest wait of the client's own making; the server may ask for a longer one.
        multiplier: Growth of the wait from one attempt to the next.
        jitter: Each wait is drawn from ± this part of itself, so that clients do not return all at once.
    """

    max_attempts: int = 6
    initial_backoff_seconds: float = 0.1
    max_backoff_seconds: float = 5.0
    multiplier: float = 2.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise invalid_argument(f"max_attempts must be at least 1, got {self.max_attempts}")
        if self.initial_backoff_seconds < 0 or self.max_backoff_seconds < 0 or self.multiplier < 1:
            raise invalid_argument(f"waits must not be negative nor shrink: {self}")
        if not 0 <= self.jitter < 1:
            raise invalid_argument(f"jitter must be in [0, 1), got {self.jitter}")


class Attempts:
    """The attempts of one call: what is left of its deadline, and whether another one is worth making."""

    def __init__(
        self,
        policy: RetryPolicy,
        timeout_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._policy = policy
        self._deadline = clock() + timeout_seconds
        self._clock = clock
        self._uniform = uniform
        self._made = 0

    def start(self) -> float:
        """Count one more attempt and return the seconds it may take."""
        self._made += 1
        return max(self._deadline - self._clock(), 0.0)

    def delay_seconds(self, error: DowserError) -> float | None:
        """Return how long to wait before the next attempt; None where the error is final."""
        policy = self._policy
        if self._made >= policy.max_attempts or not _is_transient(error):
            return None
        backoff = policy.initial_backoff_seconds * policy.multiplier ** (self._made - 1)
        delay = min(backoff, policy.max_backoff_seconds) * self._uniform(1 - policy.jitter, 1 + policy.jitter)
        delay = max(delay, error.retry_after_seconds or 0.0)
        # A wait that outlasts the deadline would only turn a clear error into "deadline exceeded".
        return delay if self._clock() + delay < self._deadline else None


def _is_transient(error: DowserError) -> bool:
    if error.grpc_code is grpc.StatusCode.UNAVAILABLE:
        return True
    return error.grpc_code is grpc.StatusCode.RESOURCE_EXHAUSTED and error.retry_after_seconds is not None
