"""Memory of processes as Linux counts it: with and without pages of files."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.processes import script

_INTERVAL_SECONDS = 0.25
Memory = dict[str, int]


def memory_of(pid: int) -> Memory:
    """Return bytes of one process: resident, of them not pages of a file ("own"), and the most it ever had resident."""
    fields = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("VmRSS", "VmHWM", "RssAnon", "RssShmem"):
            fields[name] = 1024 * int(value.split()[0])
    return {
        "resident": fields["VmRSS"],
        "own": fields["RssAnon"] + fields["RssShmem"],
        "peak_resident": fields["VmHWM"],
    }


def memory_of_family(pid: int) -> dict[str, Memory]:
    """Return that of a process, and the sum of its descendants'."""
    workers = [memory_of(child.pid) for child in psutil.Process(pid).children(recursive=True)]
    summed = {key: sum(each[key] for each in workers) for key in ("resident", "own", "peak_resident")}
    return {"server": memory_of(pid), "workers": summed}


def run_watched(name: str, *arguments: str | Path) -> Memory:
    """Run a console script to its end, its output on ours; return the most bytes it had resident, and of its own.

    Raises:
        BenchmarkError: It failed.
    """
    command = [script(name), *map(str, arguments)]
    process = subprocess.Popen(command)
    peaks = {"peak_resident": 0, "peak_own": 0}
    try:
        watch(process, lambda seen: _raise_peaks(peaks, seen))
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    if process.returncode:
        raise BenchmarkError(
            f"`{name} {' '.join(command[1:])}` failed with exit code {process.returncode}; its message is above"
        )
    return peaks


def watch(process: subprocess.Popen[bytes], look: Callable[[Memory], None]) -> None:
    """Look at a process's memory until it ends."""
    while process.poll() is None:
        with contextlib.suppress(OSError, KeyError, ValueError):  # it is ending
            look(memory_of(process.pid))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_INTERVAL_SECONDS)


def _raise_peaks(peaks: Memory, seen: Memory) -> None:
    peaks["peak_resident"] = max(peaks["peak_resident"], seen["peak_resident"])
    peaks["peak_own"] = max(peaks["peak_own"], seen["own"])


def folder_bytes(folder: Path, names: Sequence[str] | None = None) -> dict[str, int]:
    """Return the bytes of each file of a folder."""
    return {
        path.name: path.stat().st_size
        for path in sorted(folder.iterdir())
        if path.is_file() and (names is None or path.name in names)
    }
