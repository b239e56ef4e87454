"""ONNX Runtime sessions: which flavour is installed, on which device, with how many threads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from query_server.timing import engine

_LOG = logging.getLogger(__name__)


class Session:
    """One loaded graph. Safe to run from several threads at once."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.input_names = tuple(value.name for value in inner.get_inputs())
        self.output_names = tuple(value.name for value in inner.get_outputs())

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph and return the named outputs in order."""
        with engine():
            results: list[NDArray[Any]] = self._inner.run(outputs, inputs)
        return results


class Runtime:
    """Makes sessions that share one device and one thread setting.

    Args:
        device: ``"auto"`` (CUDA where the installed ONNX Runtime has it), ``"cpu"`` or ``"cuda"``. ``"cuda"`` falls
            back to the CPU, with a warning, where there is none.
        threads: Threads a session's operators may use.
        spinning: Whether idle operator threads spin; faster for one caller, wasteful when callers share the cores.
    """

    def __init__(self, *, device: str = "auto", threads: int = 1, spinning: bool = False) -> None:
        import onnxruntime

        available = onnxruntime.get_available_providers()
        self.version: str = onnxruntime.__version__
        self.threads = threads
        wants_cuda = device in ("auto", "cuda")
        self.device = "cuda" if wants_cuda and "CUDAExecutionProvider" in available else "cpu"
        if device == "cuda" and self.device == "cpu":
            _LOG.warning(
                "device cuda was asked for, but onnxruntime %s has only %s; running on the CPU. "
                'Install the GPU flavour with: pip install "dowser-al[gpu]"',
                self.version,
                ", ".join(available),
            )
        self._providers = (["CUDAExecutionProvider"] if self.device == "cuda" else []) + [
            "CPUExecutionProvider"
        ]
        self._spinning = spinning

    def describe(self) -> str:
        """Say which flavour runs where, for the start-up log."""
        return f"onnxruntime {self.version} on {self.device}, {self.threads} thread(s) a session"

    def session(self, model: onnx.ModelProto) -> Session:
        """Load a graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if self._spinning else "0")
        data = model.SerializeToString()
        with engine():
            inner = onnxruntime.InferenceSession(data, options, providers=self._providers)
        return Session(inner)
