"""What is done to a server besides SIGKILL: torn writes, a full disk, dead workers."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.common.service import ServerProcess

# Files that grow by appending; what a crash may leave half written at their ends.
_APPENDED = ("*.sqlite-wal", "*.bin")
_TORN_BYTES = 6000


def tear(state: Path, rng: np.random.Generator) -> int:
    """Leave what a write under way at the crash could leave: bytes after the last that were acknowledged.

    Returns:
        How many files were torn.
    """
    torn = 0
    for pattern in _APPENDED:
        for path in state.rglob(pattern):
            if path.stat().st_size == 0:
                continue
            with path.open("ab") as file:
                file.write(rng.bytes(int(rng.integers(1, _TORN_BYTES))))
            torn += 1
    return torn


@contextlib.contextmanager
def full_disk(server: ServerProcess) -> Iterator[None]:
    """Let no file of the server grow: every write beyond what is there fails, as on a full disk."""
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)


def kill_worker(server: ServerProcess, rng: np.random.Generator) -> bool:
    """Kill one of the server's worker processes; return whether there was one."""
    import psutil

    workers = server.family()[1:]
    if not workers:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        workers[int(rng.integers(len(workers)))].kill()
    return True
