"""A small real service to be hurt: scikit-learn's digits, a Gaussian generator, and a server process of its own."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common.classifiers import train_classifier
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.processes import STOP_SECONDS, server_command, wait_for_address
from client import ClassifierExporter

CLASSIFIERS = 3


@dataclass(frozen=True, kw_only=True)
class DigitsService:
    """What a server needs to serve digits, and what its callers send.

    Attributes:
        bundle: The bundle's folder.
        index: The index's folder.
        raw: The pool's samples uint8 [N, 8, 8].
        labels: Their classes int64 [N].
        classifiers: ONNX files of classifiers trained on different labels.
    """

    bundle: Path
    index: Path
    raw: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classifiers: tuple[bytes, ...]


def prepare_digits(work: Path) -> DigitsService:
    """Train the bundle, build the index and train the classifiers, where they are not there yet."""
    torch.set_num_threads(1)
    pool = find_pool("digits")
    task = pool.load(work)
    served = prepare_pool(pool, task, work / "digits", bundles=None)
    x = task.pool_raw[:, None].astype(np.float32) * (2 / 255) - 1  # as the bundle's preprocessing makes it
    exporter = ClassifierExporter((1, 8, 8))
    classifiers = []
    for seed in range(CLASSIFIERS):
        rows = np.random.default_rng(seed).permutation(len(x))[:100]
        module = train_classifier(task.plan, x[rows], task.pool_y[rows], seed=seed)
        classifiers.append(exporter(module))
    return DigitsService(
        bundle=served.bundle,
        index=served.index,
        raw=np.asarray(task.pool_raw),
        labels=task.pool_y,
        classifiers=tuple(classifiers),
    )


class ServerProcess:
    """A server that is started, killed and started again on the same state.

    Args:
        service: What it serves.
        state: Its state's folder; logs go beside it, those of all starts in one file.
        options: More flags of ``dowser-server serve``.
    """

    def __init__(self, service: DigitsService, state: Path, options: Sequence[str] = ()) -> None:
        self._service = service
        self.state = state
        self._options = tuple(options)
        self._process: subprocess.Popen[str] | None = None
        self.log_path = state.with_name(f"{state.name}.log")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def launch(self) -> None:
        """Start the process and return at once."""
        command = server_command(
            bundle=self._service.bundle,
            index=self._service.index,
            state=self.state,
            threads=1,
            options=self._options,
        )
        with self.log_path.open("a") as log:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)

    def start(self) -> str:
        """Start the process and return its "host:port" once it listens.

        Raises:
            BenchmarkError: It did not start.
        """
        self.launch()
        assert self._process is not None
        return wait_for_address(self._process, self.log_path)

    def kill(self) -> None:
        """End it as a power cut would, as far as a process can tell: SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int:
        """Drain and end it; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BenchmarkError(f"the server did not end within {STOP_SECONDS:g} s of SIGTERM") from None

    def family(self) -> list[Any]:
        """Return the process and its descendants, as psutil sees them."""
        import psutil

        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []
