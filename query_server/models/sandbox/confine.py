"""What a worker process takes from itself before it reads anything that a client sent."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import tempfile
import time
from pathlib import Path

from query_server.models.sandbox.seccomp import confine_calls

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_OPEN_FILES = {"cpu": 64, "cuda": 4096}


def leave_the_world(*, server_pid: int, device: str) -> list[str]:
    """Die with the server, be the first to go where memory is short, lose network, folder and files.

    To be called while the process has one thread.

    Returns:
        What the kernel refused, for the log.
    """
    refused = []
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        Path("/proc/self/oom_score_adj").write_text("800")
    except OSError as error:
        refused.append(f"oom_score_adj: {error.strerror}")
    # A network of one's own has nothing in it. Unprivileged, it takes a user namespace, which CUDA does not like.
    if libc.unshare(_CLONE_NEWNET) and (device == "cuda" or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)):
        refused.append(f"a network namespace: {os.strerror(ctypes.get_errno())}")
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server_pid:
        raise SystemExit("the server is gone")
    # The folder is empty, and as it is removed again nothing can be made in it.
    try:
        folder = tempfile.mkdtemp(prefix="dowser-worker-")
        os.chdir(folder)
        Path(folder).rmdir()
    except OSError as error:  # no temporary folder can be written to, as in a container that is read-only
        refused.append(f"an empty folder: {error.strerror}")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    files = _OPEN_FILES[device]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    return refused


def close_the_door(*, memory_bytes: int, device: str) -> list[str]:
    """Limit memory to what is mapped now and ``memory_bytes``, and refuse threads, processes, sockets and writing.

    On a GPU the limit counts private writable memory only, because CUDA reserves addresses by the terabyte, and threads
    stay possible, because its libraries make them when they are first used.

    Returns:
        What the kernel refused, for the log.
    """
    on_cpu = device == "cpu"
    kind = resource.RLIMIT_AS if on_cpu else resource.RLIMIT_DATA
    limit = (mapped_bytes() if on_cpu else _status_bytes("VmData")) + memory_bytes
    resource.setrlimit(kind, (limit, limit))
    if on_cpu:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    refused = confine_calls(threads=not on_cpu, writing=not on_cpu)
    return [refused] if refused else []


def allow_cpu(seconds: float) -> None:
    """Let the process compute so many seconds from now on, all threads together; then SIGXCPU ends it."""
    used = time.process_time()
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + seconds) + 1, hard))


def mapped_bytes(pid: int | None = None) -> int:
    """Return the size of a process's address space; 0 where it is gone."""
    try:
        pages = Path(f"/proc/{pid or 'self'}/statm").read_text().split()[0]
    except (OSError, IndexError):
        return 0
    return int(pages) * resource.getpagesize()


def _status_bytes(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0
