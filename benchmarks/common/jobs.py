"""Jobs side by side, one process and one torch thread each; a record is handed over as soon as it is there."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from queue import Empty
from typing import Any, Protocol, TypeVar

from benchmarks.common.errors import BenchmarkError
from client import DowserError


class Named(Protocol):
    """A job says what it is called."""

    @property
    def name(self) -> str:
        """For messages and progress."""
        ...


J = TypeVar("J", bound=Named)
Record = dict[str, Any]

# Of a job's process: set once by _begin.
_process: dict[str, Any] = {}


def run_jobs(
    jobs: Sequence[J],
    work: Callable[[J], Record],
    *,
    start: Callable[[], None],
    keep: Callable[[J, Record], None],
    progress: Any,
    processes: int,
) -> None:
    """Run all jobs.

    Args:
        jobs: Plain values that can be sent to another process.
        work: A top-level function; calls `tick` after every step.
        start: Called once in every process, a top-level function or a partial of one.
        keep: Called here with each job's record as it ends.
        progress: A bar of tqdm, one step a tick.
        processes: Jobs at the same time.

    Raises:
        BenchmarkError: A job failed; what others finished is kept.
    """
    # A fork would share the parent's thread pools and channels.
    context = multiprocessing.get_context("spawn")
    ticks = context.Queue()
    executor = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(ticks, start))
    try:
        waiting: dict[Future[Record], J] = {executor.submit(work, job): job for job in jobs}
        while waiting:
            done, _ = wait_for(waiting, timeout=0.2, return_when="FIRST_COMPLETED")
            for future in done:
                job = waiting.pop(future)
                keep(job, _result(future, job))
            try:
                while True:
                    progress.set_postfix_str(ticks.get_nowait())
                    progress.update()
            except Empty:
                pass
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def tick(name: str) -> None:
    """Tell the parent that a step of this job is done."""
    _process["ticks"].put(name)


def _begin(ticks: Any, start: Callable[[], None]) -> None:
    import torch

    torch.set_num_threads(1)
    _process["ticks"] = ticks
    start()


def _result(future: Future[Record], job: Named) -> Record:
    try:
        return future.result()
    except (BenchmarkError, DowserError) as error:
        raise BenchmarkError(f"{job.name} failed: {error}") from error
    except BrokenProcessPool as error:
        raise BenchmarkError(f"{job.name}: its process died; run again to go on") from error
