"""Jobs side by side, one process and one torch thread each; a record is handed over as soon as it is there."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
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
        start: Called once in every process, before its first job; a top-level function or a partial of one.
        keep: Called here with each job's record as it ends.
        progress: A bar of tqdm, one step a tick.
        processes: Jobs at the same time.

    Raises:
        BenchmarkError: A job failed or its process died. Jobs that run beside one that fails are finished; what is
            finished is kept.
    """
    # A fork would share the parent's thread pools and channels.
    context = multiprocessing.get_context("spawn")
    ticks, begun = context.Queue(), context.SimpleQueue()
    executor = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_begin, initargs=(ticks, begun, start)
    )
    others = set(multiprocessing.active_children())
    workers: set[BaseProcess] = set()
    at_work: dict[int, str] = {}
    waiting = deque(jobs)
    running: dict[Future[Record], J] = {}
    failure: tuple[J, BaseException] | None = None
    try:
        while running or (waiting and failure is None):
            # No more than can be run: what the executor has taken cannot be called back when a job fails.
            while waiting and failure is None and len(running) < processes:
                job = waiting.popleft()
                try:
                    running[executor.submit(_run, work, job)] = job
                except BrokenProcessPool as error:
                    failure = job, error
            workers |= set(multiprocessing.active_children()) - others
            done, _ = wait_for(running, timeout=0.2, return_when="FIRST_COMPLETED")
            for future in done:
                job = running.pop(future)
                ended_by = future.exception()
                if ended_by is None:
                    keep(job, future.result())
                else:
                    failure = failure or (job, ended_by)
            while not begun.empty():
                at_work.update([begun.get()])
            try:
                while True:
                    progress.set_postfix_str(ticks.get_nowait())
                    progress.update()
            except Empty:
                pass
    except BaseException:
        for worker in workers:
            worker.terminate()  # nobody is left to keep their records
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
    if failure is None:
        return
    job, reason = failure
    if isinstance(reason, BrokenProcessPool):
        raise BenchmarkError(f"{_deaths(workers, at_work)}; run again to go on") from reason
    if isinstance(reason, (BenchmarkError, DowserError)):
        raise BenchmarkError(f"{job.name} failed: {reason}") from reason
    raise reason


def tick(name: str) -> None:
    """Tell the parent that a step of this job is done."""
    _process["ticks"].put(name)


def _begin(ticks: Any, begun: Any, start: Callable[[], None]) -> None:
    import torch

    faulthandler.enable()
    torch.set_num_threads(1)
    _process.update(ticks=ticks, begun=begun, start=start)


def _run(work: Callable[[J], Record], job: J) -> Record:
    _process["begun"].put((os.getpid(), job.name))
    if (
        start := _process.pop("start", None)
    ) is not None:  # here, and not in _begin: its errors are the job's
        start()
    return work(job)


def _deaths(workers: Collection[BaseProcess], at_work: Mapping[int, str]) -> str:
    """Say which processes died, at which job and of what."""
    # The executor ends those that are left with SIGTERM.
    died = [worker for worker in workers if worker.exitcode != -signal.SIGTERM] or workers
    told = [
        f"{at_work.get(worker.pid or 0, 'a job')}: its process {_ending(worker.exitcode)}" for worker in died
    ]
    return "; ".join(sorted(told)) or "a process died"


def _ending(exitcode: int | None) -> str:
    if exitcode is None:
        return "died"
    if exitcode >= 0:
        return f"ended with exit code {exitcode}"
    name = signal.Signals(-exitcode).name if -exitcode in set(signal.Signals) else f"signal {-exitcode}"
    return f"was killed by {name}" + (
        " (the system's way where memory runs out)" if name == "SIGKILL" else ""
    )
