"""ONNX Runtime sessions: which flavour is installed, on which device, and how a batch is spread over threads.

On the CPU a batch is cut into parts and each part runs on one thread, instead of every operator being spread over all
threads: samples are independent, so the parts never wait for each other. A step of 50 latents on two cores takes 8.4 ms
so, against 12.1. Concurrent requests share the threads (``cores``): the cut stays, and fewer parts run at a time.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from query_server.cores import share
from query_server.timing import credit, engine, measured

_LOG = logging.getLogger(__name__)
RUN_ROWS = 128  # rows run at a time: bounds a session's memory, and stays in the caches
_LEAST_ROWS = 4  # of a part: a step of one latent costs three times its part of a step of eight
_MAX_THREADS = 256
_Result = TypeVar("_Result")
_OUT_OF_MEMORY = re.compile(r"bad_?alloc|failed to allocate|allocate memory|out of memory", re.IGNORECASE)


class Session:
    """One loaded graph. Safe to run from several threads at once."""

    def __init__(self, inner: Any, before_run: Callable[[], None] | None = None) -> None:
        self._inner = inner
        self._before_run = before_run

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph on the caller's thread and return the named outputs in order."""
        if self._before_run is not None:
            self._before_run()
        with engine():
            results: list[NDArray[Any]] = self._inner.run(outputs, inputs)
        return results


class Runtime:
    """Makes sessions that share one device and one set of threads.

    Args:
        device: ``"auto"`` (CUDA where the installed ONNX Runtime has it), ``"cpu"`` or ``"cuda"``. ``"cuda"`` falls
            back to the CPU, with a warning, where there is none.
        threads: Parts of one batch that run at the same time on the CPU.
        max_threads: Threads of all callers together; they are made when first needed.
        before_run: Called before every run of every graph; what it raises ends the work.
        run_rows: Rows run at a time, which bounds a session's memory.

    Attributes:
        threads: As given; 1 on a GPU.
        at_once: Parts that run at the same time at most; ``threads`` unless set.
    """

    def __init__(
        self,
        *,
        device: str = "auto",
        threads: int = 1,
        max_threads: int = _MAX_THREADS,
        before_run: Callable[[], None] | None = None,
        run_rows: int = RUN_ROWS,
    ) -> None:
        # ONNX Runtime's Linux builds report use to their maker and keep a device id in HOME unless told not to before
        # they are loaded (its Privacy.md); an administrator who wants that sets 0.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        available = onnxruntime.get_available_providers()
        self.version: str = onnxruntime.__version__
        wants_cuda = device in ("auto", "cuda")
        self.device = "cuda" if wants_cuda and "CUDAExecutionProvider" in available else "cpu"
        if device == "cuda" and self.device == "cpu":
            _LOG.warning(
                "device cuda was asked for, but onnxruntime %s has only %s; running on the CPU. "
                'Install the GPU flavour with: pip install "dowser-al[gpu]"',
                self.version,
                ", ".join(available),
            )
        # A GPU wants the whole batch at once.
        self.threads = threads if self.device == "cpu" else 1
        self.at_once = self.threads
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix="dowser-model")
        self._max_threads = max_threads
        self._before_run = before_run
        self._run_rows = run_rows
        self._providers = (["CUDAExecutionProvider"] if self.device == "cuda" else []) + [
            "CPUExecutionProvider"
        ]

    def describe(self) -> str:
        """Say which flavour runs where, for the start-up log."""
        return f"onnxruntime {self.version} on {self.device}, {self.threads} thread(s)"

    def session(self, model: onnx.ModelProto) -> Session:
        """Load a graph."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if self.device == "cpu":
            _share_arena()
            options.add_session_config_entry("session.use_env_allocators", "1")
        data = model.SerializeToString()
        with engine():
            inner = onnxruntime.InferenceSession(data, options, providers=self._providers)
        return Session(inner, self._before_run)

    def spread(self, work: Callable[[NDArray[Any]], _Result], values: NDArray[Any]) -> list[_Result]:
        """Do work on a batch in parts, each on one thread; return the parts' results in order.

        The cut depends on the batch and the thread setting alone, so the same batch gives the same bits.

        Args:
            work: Takes a part of ``values``; its engine time counts where it is the longest.
            values: The batch [B, ...].
        """
        parts = _cut(values, max(1, min(self.threads, -(-len(values) // _LEAST_ROWS))))

        def work_on(some: Sequence[NDArray[Any]]) -> list[_Result]:
            return [work(part) for part in some]

        with share(self.at_once) as at_once:
            lanes = min(at_once, len(parts))
            if lanes == 1:
                return work_on(parts)
            ends = [len(parts) * lane // lanes for lane in range(lanes + 1)]
            groups = [parts[start:stop] for start, stop in itertools.pairwise(ends)]
            done = list(self._executor.map(lambda some: measured(lambda: work_on(some)), groups))
        credit(max(seconds for _, seconds in done))
        return [result for results, _ in done for result in results]

    def run_spread(
        self,
        session: Session,
        outputs: Sequence[str],
        name: str,
        values: NDArray[Any],
        *,
        batch_axes: Sequence[int] | None = None,
        repeats: int = 1,
        prepare: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    ) -> list[NDArray[Any]]:
        """Run a graph of one input over a batch in parts; return the named outputs of the whole batch.

        Args:
            session: The graph.
            outputs: Names of outputs [B, ...].
            name: The input.
            values: The batch [B, ...], B at least 1.
            batch_axes: Where B stands in each output; None means first in all.
            repeats: How often the graph repeats the batch inside (stochastic passes); fewer rows are run at a time.
            prepare: Makes the input of some values [n, ...], just before they are run.
        """
        rows = max(1, self._run_rows // repeats)

        def run(part: NDArray[Any]) -> list[list[NDArray[Any]]]:
            return [
                session.run(outputs, {name: some if prepare is None else prepare(some)})
                for some in _cut(part, -(-len(part) // rows))
            ]

        runs = [results for part in self.spread(run, values) for results in part]
        axes = batch_axes if batch_axes is not None else [0] * len(outputs)
        return [
            np.concatenate(each, axis=axis) for each, axis in zip(zip(*runs, strict=True), axes, strict=True)
        ]

    def start_threads(self) -> None:
        """Make all threads now, for a process that may make none later."""
        together = threading.Barrier(self._max_threads)
        list(self._executor.map(lambda _: together.wait(), range(self._max_threads)))

    def close(self) -> None:
        """End the threads."""
        self._executor.shutdown()


@functools.cache
def _share_arena() -> None:
    """Give all sessions on the CPU one arena: what one has grown, the next finds warm and need not grow again."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    growth = {
        "max_mem": 0,  # no limit of its own
        "arena_extend_strategy": 1,  # as much as is asked for, not the next power of two
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg(growth))


def is_out_of_memory(error: Exception) -> bool:
    """Whether ONNX Runtime, whose errors have no common class, failed for want of memory."""
    return isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None


def _cut(values: NDArray[Any], count: int) -> list[NDArray[Any]]:
    """Cut [B, ...] into ``count`` views of nearly equal length."""
    ends = [len(values) * (part + 1) // count for part in range(count)]
    return [values[start:stop] for start, stop in zip([0, *ends[:-1]], ends, strict=True)]
