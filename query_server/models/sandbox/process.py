"""One worker process, as the server sees it."""

from __future__ import annotations

import json
import mmap
import os
import signal
import socket
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.models.compiled import GeneratorBundle
from query_server.models.runtime import RUN_ROWS, GpuRuntimeOptions
from query_server.models.sandbox.confine import mapped_bytes
from query_server.models.sandbox.frames import Arrays, Channel, Expected

# Of the server's environment: where libraries and devices are, and nothing that could be a secret.
_KEPT = (
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "TZ",
)
_SET = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONSAFEPATH": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",  # no threads before the namespaces
    "MALLOC_ARENA_MAX": "2",  # each arena takes 64 MiB of the addresses that are limited
    "CUDA_CACHE_DISABLE": "1",
}
_DEATH_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """What worker processes are allowed.

    Attributes:
        workers: Jobs worked on at the same time; one process more is kept in reserve.
        memory_bytes: What a worker may map on top of what it has mapped after its start.
        job_seconds: Longest score or ascent.
        check_seconds: Longest check of an upload.
        threads: Parts of one batch that run at the same time on the CPU.
        device: "cpu" or "cuda".
        gpu: How models may use a GPU.
        max_bytes: Largest upload.
        max_compiled: Compiled classifiers a worker keeps.
        run_rows: Rows a worker runs at a time.
        niceness: Added to the processes' niceness; the higher, the longer they wait for a core that others want.
        affinity_seconds: How long a job waits for the worker that has its classifier before another compiles it too;
            longer than that takes. 0 where all jobs are of one classifier.
    """

    workers: int = 2
    memory_bytes: int = 2 * 2**30
    job_seconds: float = 300.0
    check_seconds: float = 30.0
    threads: int = 1
    device: str = "cpu"
    gpu: GpuRuntimeOptions = field(default_factory=GpuRuntimeOptions)
    max_bytes: int = 64 * 2**20
    max_compiled: int = 8
    run_rows: int = RUN_ROWS
    niceness: int = 0
    affinity_seconds: float = 0.25


class WorkerStartError(Exception):
    """A worker process did not come up."""


class WorkerProcess:
    """A worker process and what the server knows of it. One thread at a time.

    Its end is tied to the thread that starts it: the kernel kills the process when that thread ends.

    Attributes:
        ran: Ids of the classifiers it ever ran.
        on_trial: Whether its job is of a classifier that has not done one to its end yet.
        refused: What the kernel refused when it confined itself.
    """

    def __init__(self, config: SandboxConfig, bundle: GeneratorBundle, *, tick: Callable[[], None]) -> None:
        self._held: OrderedDict[str, None] = OrderedDict()
        self._forgotten: list[str] = []
        self.ran: set[str] = set()
        self.on_trial = False
        ours, theirs = socket.socketpair()
        stop = os.memfd_create("dowser-stop")
        os.ftruncate(stop, 1)
        argument = {
            "connection_fd": theirs.fileno(),
            "stop_fd": stop,
            "server_pid": os.getpid(),
            "device": config.device,
            "gpu": asdict(config.gpu),
            "threads": config.threads,
            "memory_bytes": config.memory_bytes,
            "run_rows": config.run_rows,
            "niceness": config.niceness,
        }
        try:
            for end in (ours, theirs):
                for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                    end.setsockopt(socket.SOL_SOCKET, option, 2**20)
            self._stop = mmap.mmap(stop, 1)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "query_server.models.sandbox.worker", json.dumps(argument)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                cwd="/",
                pass_fds=(theirs.fileno(), stop),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(stop)
        self._channel = Channel(ours)
        try:
            hello, _ = self._channel.receive(tick=tick, expected={})
            if "failed" in hello:
                raise WorkerStartError(str(hello["failed"]))
            self.refused = [str(why) for why in hello.get("refused", ())]
            self._channel.send(
                {
                    "input_shape": list(bundle.input_shape),
                    "latent_dim": bundle.latent_dim,
                    "max_bytes": config.max_bytes,
                },
                {"generator": np.frombuffer(bundle.generator.SerializeToString(), np.uint8)},
                tick=tick,
            )
        except BaseException:
            self.kill()
            raise
        self._mapped_bytes = mapped_bytes(self.pid)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    @property
    def grown_bytes(self) -> int:
        """What it has mapped since its start."""
        return mapped_bytes(self.pid) - self._mapped_bytes

    @property
    def held(self) -> int:
        """Compiled classifiers it keeps."""
        return len(self._held)

    def holds(self, key: str) -> bool:
        """Whether it has a compiled classifier."""
        return key in self._held

    def hold(self, key: str | None, most: int) -> list[str]:
        """Note the compiled classifier that the next job uses; return those that it is to drop before."""
        if key is not None:
            self._held[key] = self._held.pop(key, None)
        while len(self._held) > most:
            self._forgotten.append(self._held.popitem(last=False)[0])
        dropped, self._forgotten = self._forgotten, []
        return dropped

    def forget(self, key: str) -> None:
        """Note that a compiled classifier may not have come to be."""
        self._held.pop(key, None)
        self._forgotten.append(key)

    def call(
        self, header: Mapping[str, Any], arrays: Arrays, *, expected: Expected, tick: Callable[[], None]
    ) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Have a job done; after an error of any kind the process is of no more use.

        Raises:
            FrameError: It died or answered something else.
        """
        self._stop[0] = 0
        self._channel.send(header, arrays, tick=tick)
        return self._channel.receive(tick=tick, expected=expected)

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end the job it has."""
        return bool(self._stop[0])

    def ask_to_stop(self) -> None:
        """Ask it to end its job before its next run of a graph."""
        self._stop[0] = 1

    def cause_of_death(self) -> tuple[str, str]:
        """Return what ended it by itself ("memory", "cpu" or "crash") and how, and see that it is gone."""
        try:
            status = self._process.wait(_DEATH_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return "crash", "its worker process answered with something else than results"
        if status == -signal.SIGXCPU:
            return "cpu", "it took more processor time than is allowed"
        if status == -signal.SIGKILL:
            return "memory", "its worker process was killed by the system, which was short of memory"
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        return "crash", f"its worker process died ({how})"

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._channel.close()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry and Path(entry).exists())
    return {**kept, **_SET, "PYTHONPATH": path}
