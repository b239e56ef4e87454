"""The product's console scripts: run to their end, or, for the server, for as long as it is needed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from benchmarks.common.errors import BenchmarkError

LISTENING = "dowser-server listening on "
START_SECONDS = 120.0
STOP_SECONDS = 40.0


def run_tool(name: str, *arguments: str | Path) -> float:
    """Run a console script to its end, its output and progress bars on ours; return the seconds it took.

    Raises:
        BenchmarkError: It is not installed, or it failed.
    """
    command = [script(name), *map(str, arguments)]
    started = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    if code != 0:
        raise BenchmarkError(
            f"`{name} {' '.join(command[1:])}` failed with exit code {code}; its message is above"
        )
    return time.perf_counter() - started


@contextmanager
def serving(
    *, bundle: Path, index: Path, state: Path, threads: int, options: Sequence[str] = ()
) -> Iterator[str]:
    """Run a server in its own process on a free port; yield its "host:port"; drain and end it afterwards.

    Args:
        bundle: The bundle's folder.
        index: The index's folder.
        state: Where the server keeps campaigns; its log goes beside it.
        threads: Of one model run or search.
        options: More flags of ``dowser-server serve``.

    Raises:
        BenchmarkError: It did not start.
    """
    log_path = state.with_name(f"{state.name}.log")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    command = server_command(bundle=bundle, index=index, state=state, threads=threads, options=options)
    with log_path.open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            yield wait_for_address(process, log_path)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def server_command(
    *, bundle: Path, index: Path, state: Path, threads: int, options: Sequence[str] = ()
) -> list[str]:
    """Return the command that serves on a free port of this machine."""
    named = {"bundle": bundle, "index": index, "state": state, "threads": threads}
    flags = [part for name, value in named.items() for part in (f"--{name}", str(value))]
    return [script("dowser-server"), "serve", "--host", "127.0.0.1", "--port", "0", *flags, *options]


def wait_for_address(process: subprocess.Popen[str], log_path: Path) -> str:
    """Return the "host:port" that a server just started prints once it listens.

    Raises:
        BenchmarkError: It ended, or was not ready in time.
    """
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        assert process.stdout is not None
        with contextlib.suppress(ValueError):  # closed while reading: the server is gone
            for line in process.stdout:
                lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise BenchmarkError(
                f"the server was not ready in {START_SECONDS:.0f} s; see {log_path}"
            ) from None
        if line.startswith(LISTENING):
            return line.removeprefix(LISTENING).strip()
        if not line:
            process.wait()
            tail = "".join(log_path.read_text().splitlines(keepends=True)[-5:])
            raise BenchmarkError(
                f"the server ended with exit code {process.returncode}; its log ends with\n{tail}"
            )


def script(name: str) -> str:
    """Return the console script that belongs to this Python."""
    script = Path(sys.executable).with_name(name)
    if not script.exists():
        raise BenchmarkError(f'{script} is missing; install the project with: pip install -e ".[dev]"')
    return str(script)
