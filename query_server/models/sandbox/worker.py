"""The worker process: ``python -P -m query_server.models.sandbox.worker CONFIG``, started by the server alone.

CONFIG is JSON: the inherited descriptors of the connection and of the byte that asks to stop, limits and device. The
first frame brings the bundle's generator, every later one a job. The process gives up what it does not need before it
reads either, answers one job after the other, and ends with the connection.
"""

from __future__ import annotations

import contextlib
import json
import logging
import mmap
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser

from graphs import lower_for_cpu
from query_server.errors import DowserError
from query_server.models.runtime import GpuRuntimeOptions, Runtime, is_out_of_memory
from query_server.models.sandbox import confine
from query_server.models.sandbox.frames import Channel, FrameError
from query_server.models.sandbox.jobs import Arrays, GeneratorAlone, Workbench, WrongShapeError
from query_server.timing import measured

_MAX_LOGGED = 20
_MAX_TEXT = 2000
#: What no graph brings about, only a fault in the server's own code.
_OURS = (AssertionError, AttributeError, ImportError, NameError, TypeError)
_WARM_GPU = """
<ir_version: 8, opset_import: ["" : 17]>
warm (float[B, 3, 8, 8] x) => (float[B, 3, 8, 8] y) {
    shape = Constant <value_ints = [3, 3, 3, 3]> ()
    kernels = ConstantOfShape <value = float[1] {0.1}> (shape)
    padded = Conv <pads = [1, 1, 1, 1]> (x, kernels)
    back = ConvTranspose <pads = [1, 1, 1, 1]> (padded, kernels)
    turned = Transpose <perm = [0, 1, 3, 2]> (back)
    y = MatMul (back, turned)
}
"""


class Stopped(BaseException):
    """The server asked to stop; no exception, so that nothing that forgives errors forgives it."""


def main(argument: str) -> None:
    """Serve jobs until the server closes the connection."""
    config = json.loads(argument)
    device = config["device"]
    _yield_to_others(config["niceness"])
    refused = confine.leave_the_world(server_pid=config["server_pid"], device=device)
    channel = Channel(socket.socket(fileno=config["connection_fd"]))
    stop = mmap.mmap(config["stop_fd"], 1)
    log = _Log()
    logging.getLogger().addHandler(log)
    logging.getLogger().setLevel(logging.INFO)

    def before_run() -> None:
        if stop[0]:
            raise Stopped

    try:
        threads = config["threads"]
        runtime = Runtime(
            device=device,
            threads=threads,
            max_threads=threads,
            before_run=before_run,
            run_rows=config["run_rows"],
            gpu=GpuRuntimeOptions(**config["gpu"]),
        )
        _warm_up(runtime)
        refused += confine.close_the_door(memory_bytes=config["memory_bytes"], device=device)
    except Exception:
        channel.send({"failed": traceback.format_exc()[-_MAX_TEXT:]}, {}, tick=_patiently)
        raise
    channel.send({"refused": refused, "log": log.taken()}, {}, tick=_patiently)
    header, arrays = channel.receive(tick=_patiently)
    generator = onnx.load_model_from_string(arrays["generator"].tobytes())
    if device == "cpu":  # once, and not for every classifier
        generator = lower_for_cpu(generator)
    bundle = GeneratorAlone(
        input_shape=tuple(header["input_shape"]), latent_dim=header["latent_dim"], generator=generator
    )
    bench = Workbench(runtime=runtime, bundle=bundle, max_bytes=header["max_bytes"])
    while True:
        header, arrays = channel.receive(tick=_patiently)
        confine.allow_cpu(header["cpu_seconds"])
        runtime.at_once = header["at_once"]
        answer, results = _answer(bench.run, header, arrays)
        channel.send({**answer, "log": log.taken()}, results, tick=_patiently)


def _answer(
    run: Callable[[dict[str, Any], Arrays], tuple[dict[str, Any], Arrays]],
    header: dict[str, Any],
    arrays: Arrays,
) -> tuple[dict[str, Any], Arrays]:
    """Do a job; every way it may end is an answer."""
    try:
        (answer, results), engine_seconds = measured(lambda: run(header, arrays))
        return {"end": "done", "engine_seconds": engine_seconds, **answer}, results
    except Stopped:
        return {"end": "stopped"}, {}
    except DowserError as error:
        metadata = {key: value[:_MAX_TEXT] for key, value in error.metadata.items()}
        refused = {"reason": str(error.reason), "message": error.message[:_MAX_TEXT], "metadata": metadata}
        return {"end": "refused", **refused}, {}
    except WrongShapeError as error:
        return {"end": "shape", "message": str(error)[:_MAX_TEXT]}, {}
    except _OURS:
        return {"end": "broken", "message": traceback.format_exc()[-_MAX_TEXT:]}, {}
    except Exception as error:  # ONNX Runtime raises classes of its own that share no public base
        if is_out_of_memory(error):
            return {"end": "memory"}, {}
        return {"end": "failed", "message": f"{type(error).__name__}: {error}"[:_MAX_TEXT]}, {}


def _yield_to_others(niceness: int) -> None:
    """Lower the priority; where Linux schedules sessions as groups, that of the session, which the worker leads."""
    if niceness:
        os.nice(niceness)
        with contextlib.suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness))


def _warm_up(runtime: Runtime) -> None:
    """Load the engine and make the threads, so that neither needs anything more later.

    On a GPU a convolution and a matrix product come along, as cuDNN and cuBLAS are loaded when they are first used, and
    what they map must not count as what a classifier takes.
    """
    identity = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> warm (float[B, 1] x) => (float[B, 1] y) { y = Abs (x) }'
    )
    runtime.session(identity).run(("y",), {"x": np.zeros((1, 1), np.float32)})
    if runtime.device == "cuda":
        warm = onnx.parser.parse_model(_WARM_GPU)
        runtime.session(warm).run(("y",), {"x": np.ones((2, 3, 8, 8), np.float32)})
    runtime.start_threads()


class _Log(logging.Handler):
    """Keeps what is logged until it goes along with an answer; the worker itself can write nowhere."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._kept: list[list[Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, unless there are too many."""
        if len(self._kept) < _MAX_LOGGED:
            self._kept.append([record.levelno, record.getMessage()[:_MAX_TEXT]])

    def taken(self) -> list[list[Any]]:
        """Return what was kept, and forget it."""
        kept, self._kept = self._kept, []
        return kept


def _patiently() -> None:
    """Wait for the server as long as it takes."""


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except FrameError:
        sys.exit(0)
