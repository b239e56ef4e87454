"""The project's commands as real processes, for the tests that need them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class RunningServer:
    """A server process and what it serves."""

    target: str
    process: subprocess.Popen[str]
    bundle: Path
    index: Path
    state: Path


def command(name: str) -> str:
    """Return the path of an installed console script."""
    return str(Path(sys.executable).with_name(name))


def run_command(name: str, *arguments: object, timeout: float = 900) -> subprocess.CompletedProcess[str]:
    """Run one of the project's commands as a user would, in its own process."""
    return subprocess.run(
        [command(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        cwd=REPOSITORY,
    )


def succeed(name: str, *arguments: object) -> str:
    """Run one of the project's commands, which must succeed; returns what it printed."""
    done = run_command(name, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_recipe(name: str, *arguments: object, environment: Mapping[str, str] | None = None) -> list[str]:
    """Run a recipe of the benchmarks as a user would, which must succeed; returns the lines it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def start_server(bundle: Path, index: Path, state: Path, *options: object) -> RunningServer:
    """Start ``dowser-server serve`` on a free port and wait until it listens."""
    process = subprocess.Popen(
        [
            *(command("dowser-server"), "serve", "--port", "0", "--threads", "2"),
            *("--bundle", str(bundle), "--index", str(index), "--state", str(state)),
            *map(str, options),
        ],
        stdout=subprocess.PIPE,
        stderr=(state.parent / f"{state.name}.log").open("w"),
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if "listening on" not in line:
        process.wait(timeout=60)
        raise RuntimeError((state.parent / f"{state.name}.log").read_text())
    return RunningServer(line.split()[-1], process, bundle, index, state)


def stop_server(server: RunningServer) -> int:
    """Send SIGTERM and wait for the drain; returns the exit status."""
    server.process.terminate()
    return server.process.wait(timeout=180)
