"""Jobs of which some end badly, in a module that the processes that run them can import."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.jobs import tick


@dataclass(frozen=True)
class Job:
    """A job does what it is called; `folder` is where jobs leave word for each other."""

    name: str
    folder: Path


def nothing() -> None:
    """A start that needs nothing."""


def no_data_set() -> None:
    """A start that fails."""
    raise BenchmarkError("mnist.npz is missing")


def work(job: Job) -> dict[str, Any]:
    """Do a job.

    refused, segfault, out-of-memory and exit-3 wait until "steady" is at work, which waits until one of them failed.
    """
    if job.name == "steady":
        (job.folder / "steady").touch()
        _wait_for(job.folder / "ending")
        tick(job.name)
    elif job.name != "quick":
        _wait_for(job.folder / "steady")
        (job.folder / "ending").touch()
    if job.name == "refused":
        raise BenchmarkError("the server refused")
    if job.name == "segfault":
        signal.raise_signal(signal.SIGSEGV)
    if job.name == "out-of-memory":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.name == "exit-3":
        os._exit(3)
    return {"by": os.getpid()}


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} never came"
        time.sleep(0.01)
