"""Runs blocking work beside the event loop: bounded, and told when its caller no longer waits.

FAISS, ONNX Runtime and SQLite block; on the event loop they would starve every other call, health included.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from grpc import aio

from query_server import timing
from query_server.errors import cancelled, deadline_exceeded, overloaded
from query_server.observe import QueueStats
from query_server.patience import waiting_caller

_Result = TypeVar("_Result")


class Waiting:
    """Whether a caller still waits; asked between the steps of its work."""

    def __init__(self, deadline: float | None) -> None:
        self._deadline = deadline
        self._gone = threading.Event()

    def give_up(self) -> None:
        """Note that the caller went away."""
        self._gone.set()

    def checkpoint(self, stage: str) -> None:
        """Raise once the caller no longer waits.

        Raises:
            DowserError: CANCELLED or DEADLINE_EXCEEDED.
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise deadline_exceeded(stage)
        if self._gone.is_set():
            raise cancelled(stage)


class Workers:
    """A bounded pool of threads for blocking work.

    Args:
        concurrency: Calls worked on at the same time.
        queue: Calls that may wait beyond them; one more is refused with OVERLOADED.
    """

    def __init__(self, *, concurrency: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(concurrency, thread_name_prefix="dowser-work")
        self._concurrency = concurrency
        self._limit = concurrency + queue
        self._under_way = 0

    async def run(
        self, context: aio.ServicerContext[Any, Any], work: Callable[[Waiting], _Result]
    ) -> _Result:
        """Run work on a thread; when the caller goes away the work is told and awaited no longer.

        Raises:
            DowserError: OVERLOADED, or whatever the work raises.
        """
        if self._under_way >= self._limit:
            raise overloaded("the number of calls under way", self._limit, retry_after_seconds=1.0)
        remaining = context.time_remaining()
        waiting = Waiting(None if remaining is None else time.monotonic() + remaining)
        self._under_way += 1
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self._executor, copy_context().run, _unless_gone(waiting, work))
        future.add_done_callback(self._done)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            waiting.give_up()
            raise

    def stats(self) -> QueueStats:
        """Return how many calls are worked on and how many wait."""
        under_way = self._under_way
        running = min(under_way, self._concurrency)
        return QueueStats(running=running, waiting=under_way - running, limit=self._limit)

    def close(self) -> None:
        """Wait for the work under way, then end the threads."""
        self._executor.shutdown(wait=True)

    def _done(self, future: asyncio.Future[Any]) -> None:
        self._under_way -= 1
        if not future.cancelled():
            future.exception()  # seen, also where the caller is gone and nobody awaits it


def _unless_gone(waiting: Waiting, work: Callable[[Waiting], _Result]) -> Callable[[], _Result]:
    submitted = time.perf_counter()

    def run() -> _Result:
        timing.report("queue", submitted, time.perf_counter())
        waiting.checkpoint("queue")
        with waiting_caller(waiting.checkpoint):
            return work(waiting)

    return run
