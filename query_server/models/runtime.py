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
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

from query_server.cores import share
from query_server.timing import credit, engine, measured

_LOG = logging.getLogger(__name__)
RUN_ROWS = 128  # rows run at a time: bounds a session's memory, and stays in the caches
_GPU_ROWS = 1024  # on a GPU, which has no caches to stay in
_LEAST_ROWS = 4  # of a part: a step of one latent costs three times its part of a step of eight
CAPTURES_OFF = -1  # ONNX Runtime's number for a run that neither captures nor replays
_MAX_THREADS = 256
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
_TRIAL = (
    '<ir_version: 8, opset_import: ["" : 17]> trial (float[B, 4] x) => (float[B, 4] y) { y = Add (x, x) }'
)
_Result = TypeVar("_Result")
_OUT_OF_MEMORY = re.compile(r"bad_?alloc|failed to allocate|allocate memory|out of memory", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class GpuRuntimeOptions:
    """How models may use a GPU.

    Attributes:
        arena_bytes: Of the arena that all sessions of a process share; 0 sets no limit.
        cuda_graphs: Whether ascents are captured as CUDA graphs.
        tf32: Whether ascents multiply in TF32, which has 10 bits of fraction; scores and features never do.
    """

    arena_bytes: int = 0
    cuda_graphs: bool = False
    tf32: bool = False


class Session:
    """One loaded graph. Safe to run from several threads at once, unless it is captured."""

    def __init__(
        self, inner: Any, before_run: Callable[[], None] | None = None, *, captured: bool = False
    ) -> None:
        self._inner = inner
        self._before_run = before_run
        self._captured = captured

    def run(self, outputs: Sequence[str], inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run the graph on the caller's thread and return the named outputs in order."""
        if self._before_run is not None:
            self._before_run()
        with engine():
            results: list[NDArray[Any]] = self._inner.run(outputs, inputs)
        return results

    def binding(self) -> Any:
        """Return an empty IOBinding."""
        return self._inner.io_binding()

    def tensor(self, shape: Sequence[int], device: str) -> Any:
        """Return a float32 OrtValue of zeros on "cpu" or the first "cuda" device."""
        from onnxruntime import OrtValue

        return OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32), device, 0)

    def run_options(self, *, captured_as: int) -> Any:
        """Return options of a run: as which CUDA graph it is captured and replayed, where the session captures."""
        from onnxruntime import RunOptions

        options = RunOptions()
        if self._captured:
            options.add_run_config_entry("gpu_graph_id", str(captured_as))
        return options

    def run_bound(self, binding: Any, options: Any) -> None:
        """Run the graph on bound tensors, on the caller's thread, and wait for its end."""
        if self._before_run is not None:
            self._before_run()
        with engine():
            self._inner.run_with_iobinding(binding, options)


class Runtime:
    """Makes sessions that share one device and one set of threads.

    Args:
        device: ``"auto"`` (CUDA where the installed ONNX Runtime has it), ``"cpu"`` or ``"cuda"``. ``"cuda"`` falls
            back to the CPU, with a warning, where there is none.
        threads: Parts of one batch that run at the same time on the CPU.
        max_threads: Threads of all callers together; they are made when first needed.
        before_run: Called before every run of every graph; what it raises ends the work.
        run_rows: Rows run at a time, which bounds a session's memory.
        gpu: How a GPU may be used, where there is one.

    Attributes:
        threads: As given; 1 on a GPU.
        device: "cpu" or "cuda", where sessions really run.
        gpu: As given.
        captures: Whether ascents are captured as CUDA graphs.
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
        gpu: GpuRuntimeOptions | None = None,
    ) -> None:
        _keep_to_oneself()
        import onnxruntime

        self.version: str = onnxruntime.__version__
        self.gpu = gpu or GpuRuntimeOptions()
        self.device = "cpu"
        if device == "cuda" or (device == "auto" and _CUDA in onnxruntime.get_available_providers()):
            why_not = why_not_cuda()
            if why_not is None:
                self.device = "cuda"
            else:
                _LOG.warning(
                    "onnxruntime %s cannot use a CUDA device: %s; running on the CPU. "
                    'Install the GPU flavour with: pip install "dowser-al[gpu]", and CUDA and cuDNN, where the '
                    'machine does not have them, with "dowser-al[gpu,cuda]"',
                    *(self.version, why_not),
                )
        self.captures = self.device == "cuda" and self.gpu.cuda_graphs
        # A GPU wants the whole batch at once.
        self.threads = threads if self.device == "cpu" else 1
        self.at_once = self.threads
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix="dowser-model")
        self._max_threads = max_threads
        self._before_run = before_run
        self._run_rows = run_rows if self.device == "cpu" else max(run_rows, _GPU_ROWS)

    def describe(self) -> str:
        """Say which flavour runs where, for the start-up log."""
        return f"onnxruntime {self.version} on {self.device}, {self.threads} thread(s)"

    def session(
        self, model: onnx.ModelProto, *, captured_rows: int | None = None, tf32: bool = False
    ) -> Session:
        """Load a graph.

        Args:
            model: The graph.
            captured_rows: The number of rows B that it is captured for as a CUDA graph; None for any number, and none.
            tf32: Whether a GPU may multiply in TF32.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        captured = captured_rows is not None
        providers: list[Any] = [_CPU]
        if self.device == "cuda":
            limit = self.gpu.arena_bytes
            # A captured graph keeps the addresses it has seen, so its arena must be its own.
            shares = not captured and _share_cuda_arena(limit)
            if shares:
                options.add_session_config_entry("session.use_env_allocators", "1")
            providers.insert(0, (_CUDA, cuda_options(0 if shares else limit, captured=captured, tf32=tf32)))
        else:
            _share_arena()
            options.add_session_config_entry("session.use_env_allocators", "1")
        if captured_rows is not None:
            options.add_free_dimension_override_by_name("B", captured_rows)
        data = model.SerializeToString()
        with engine():
            inner = onnxruntime.InferenceSession(data, options, providers=providers)
        return Session(inner, self._before_run, captured=captured and self.device == "cuda")

    def stop_capturing(self, error: Exception) -> None:
        """Run without CUDA graphs from now on, and say so."""
        if self.captures:
            self.captures = False
            _LOG.warning("this ascent cannot be a CUDA graph (%s); running without", str(error)[:300])

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


def _keep_to_oneself() -> None:
    """Tell ONNX Runtime not to report use to its maker, before it is loaded.

    Its Linux builds do, and keep a device id in HOME (its Privacy.md); an administrator who wants that sets 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def cuda_options(arena_bytes: int, *, captured: bool = False, tf32: bool = False) -> dict[str, str]:
    """Return the options of ONNX Runtime's CUDA provider.

    Args:
        arena_bytes: Limit of the session's own arena; 0 for none.
        captured: Whether runs are captured as CUDA graphs.
        tf32: Whether matrices are multiplied in TF32; ONNX Runtime would unless told.
    """
    options = {
        "device_id": "0",
        "arena_extend_strategy": "kSameAsRequested",
        # An exhaustive search of convolutions would be made anew for every size of a batch.
        "cudnn_conv_algo_search": "HEURISTIC",
        "do_copy_in_default_stream": "1",
        "use_tf32": str(int(tf32)),
    }
    if arena_bytes:
        options["gpu_mem_limit"] = str(arena_bytes)
    if captured:
        options["enable_cuda_graph"] = "1"
    return options


@functools.cache
def why_not_cuda() -> str | None:
    """Say what keeps ONNX Runtime from computing on the first CUDA device; None where it does.

    That it was built for CUDA says little: without a driver, CUDA or cuDNN it logs an error and takes the CPU.
    """
    _keep_to_oneself()
    import onnxruntime

    available = onnxruntime.get_available_providers()
    if _CUDA not in available:
        return f"it has only {', '.join(available)}"
    try:
        # Of the packages of NVIDIA's beside it, where they are installed; else the system's are found as usual.
        onnxruntime.preload_dlls()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        data = onnx.parser.parse_model(_TRIAL).SerializeToString()
        trial = onnxruntime.InferenceSession(data, options, providers=[(_CUDA, cuda_options(0)), _CPU])
        if _CUDA not in trial.get_providers():
            return "its libraries, the driver, CUDA 13 or cuDNN 9 are missing or too old"
        given = np.arange(8, dtype=np.float32).reshape(2, 4)
        (doubled,) = trial.run(["y"], {"x": given})
    except Exception as error:  # ONNX Runtime raises classes of its own that share no public base
        return str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return None if np.array_equal(doubled, 2 * given) else "it computes wrong sums there"


@functools.cache
def _share_cuda_arena(limit_bytes: int) -> bool:
    """Give all sessions on the GPU one bounded arena; False where ONNX Runtime refuses, and each has its own."""
    import onnxruntime

    memory = onnxruntime.OrtMemoryInfo(
        "Cuda", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    growth = {"max_mem": limit_bytes, "arena_extend_strategy": 1}  # as much as is asked for
    options = {"device_id": "0"}
    try:
        onnxruntime.create_and_register_allocator_v2(_CUDA, memory, options, onnxruntime.OrtArenaCfg(growth))
    except Exception as error:  # a plain RuntimeError now, a class of its own in other versions
        _LOG.warning("onnxruntime shares no arena on the GPU (%s); every session has one", str(error)[:300])
        return False
    return True


def is_out_of_memory(error: Exception) -> bool:
    """Whether ONNX Runtime, whose errors have no common class, failed for want of memory."""
    return isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)) is not None


def _cut(values: NDArray[Any], count: int) -> list[NDArray[Any]]:
    """Cut [B, ...] into ``count`` views of nearly equal length."""
    ends = [len(values) * (part + 1) // count for part in range(count)]
    return [values[start:stop] for start, stop in zip([0, *ends[:-1]], ends, strict=True)]
