"""Nearest neighbors in feature space: one FAISS index file, opened for searching.

A search on the CPU is safe from many threads at once; each sets its own number of OpenMP threads, because
FAISS's pools multiply per calling thread. A GPU index is not safe for two searches at a time, so one thread
owns it.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import faiss
import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.cores import share
from query_server.pool.factory import first_line, inverted_lists
from query_server.timing import engine

Device = Literal["auto", "cpu", "cuda"]
Neighbors = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]

_GPU_LIMIT = 2048  # k and nprobe of the classic GPU indexes
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """Which FAISS is installed and what it can use."""

    version: str
    gpu_build: bool
    gpus: int


def detect_flavour() -> Flavour:
    """Ask the installed FAISS; takes no GPU into use."""
    gpu_build = hasattr(faiss, "StandardGpuResources")
    return Flavour(
        version=faiss.__version__, gpu_build=gpu_build, gpus=int(faiss.get_num_gpus()) if gpu_build else 0
    )


class FeatureIndex:
    """A trained and filled index over N features of dimension D.

    Attributes:
        size: N.
        feature_dim: D.
        nlist: Inverted lists; 0 for a flat index.
        nprobe: Lists probed a query unless the call says otherwise; 0 for a flat index.
        device: "cpu" or "cuda", where it really searches.
    """

    def __init__(self, index: faiss.Index, *, nprobe: int, threads: int, device: Device = "cpu") -> None:
        self._index = index
        self._threads = threads
        self.size = int(index.ntotal)
        self.feature_dim = int(index.d)
        self.nlist = inverted_lists(index)
        self.nprobe = nprobe
        self._on_gpu = _GpuCopy.of(index) if device != "cpu" else None
        if device == "cuda" and self._on_gpu is None:
            _log.warning("no CUDA device for the feature index (%s); searching on the CPU", detect_flavour())
        self.device: Literal["cpu", "cuda"] = "cpu" if self._on_gpu is None else "cuda"

    @classmethod
    def open(cls, path: Path, *, nprobe: int, threads: int, device: Device = "auto") -> Self:
        """Map an index file into memory.

        Raises:
            DowserError: CORRUPT_FILE if FAISS cannot read it.
        """
        # Inverted lists and plain vectors are mapped by different flags, and FAISS ignores the other kind's.
        flag = faiss.IO_FLAG_MMAP if nprobe else getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP)
        try:
            index = faiss.read_index(str(path), flag)
        except RuntimeError as error:
            raise errors.corrupt_file(
                path, f"FAISS cannot read it ({first_line(error)}); build the index again"
            ) from error
        return cls(index, nprobe=nprobe, threads=threads, device=device)

    def search(self, features: npt.NDArray[np.float32], k: int, *, nprobe: int | None = None) -> Neighbors:
        """Find the nearest neighbors of each query. O(Q · nprobe · N/nlist · D).

        Args:
            features: float32 [Q, D].
            k: Neighbors per query; more than N means N.
            nprobe: Lists to probe instead of the tuned number.

        Returns:
            (distances float32 [Q, k] Euclidean, ascending, rows int64 [Q, k]); where the probed lists hold fewer,
            rows are -1 and distances infinite.

        Raises:
            DowserError: SHAPE_MISMATCH, NOT_FINITE or INVALID_ARGUMENT (k below 1).
        """
        queries = check_features(features, self.feature_dim)
        if k < 1:
            raise errors.invalid_argument("k", k, f"1 to {self.size}")
        k = min(k, self.size)
        if len(queries) == 0:
            return np.empty((0, k), np.float32), np.empty((0, k), np.int64)
        probes = min(max(nprobe or self.nprobe, 1), self.nlist) if self.nlist else 0
        with engine():
            if self._on_gpu is not None and k <= _GPU_LIMIT and probes <= _GPU_LIMIT:
                squared, rows = self._on_gpu.search(queries, k, probes)
            else:
                with share(self._threads) as threads:
                    faiss.omp_set_num_threads(threads)
                    squared, rows = _search(self._index, queries, k, probes)
        # FAISS pads with the largest float and can return tiny negative squares.
        distances = np.sqrt(np.maximum(squared, 0), dtype=np.float32)
        return np.where(rows < 0, np.float32(np.inf), distances), rows

    def close(self) -> None:
        """Give the GPU back, where one was used."""
        if self._on_gpu is not None:
            self._on_gpu.close()


def check_features(features: npt.NDArray[np.float32], feature_dim: int) -> npt.NDArray[np.float32]:
    """Return features as contiguous float32 [n, D]; raises SHAPE_MISMATCH or NOT_FINITE."""
    if features.ndim != 2 or features.shape[1] != feature_dim:
        raise errors.shape_mismatch(("n", feature_dim), features.shape, what="features")
    checked = np.ascontiguousarray(features, dtype=np.float32)
    finite = np.isfinite(checked).all(axis=1)
    if not finite.all():
        raise errors.not_finite("features", int(np.argmin(finite)))
    return checked


def _search(index: faiss.Index, queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
    # Parameters are passed with the call: setting nprobe on a shared index would race.
    params = None
    if probes:
        params = faiss.SearchParametersIVF()
        params.nprobe = probes
    squared, rows = index.search(queries, k, params=params)
    return squared, rows


class _GpuCopy:
    """A copy of an index on one GPU and the only thread that touches it."""

    def __init__(self, owner: ThreadPoolExecutor, search: Callable[..., Neighbors]) -> None:
        self._owner = owner
        self._search = search

    @classmethod
    def of(cls, index: faiss.Index) -> "_GpuCopy | None":
        """Copy an index to the first GPU; None, with a line in the log, where that cannot be."""
        if detect_flavour().gpus == 0:
            return None
        owner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="faiss-gpu")
        try:
            search = owner.submit(_clone_to_gpu, index).result()
        except RuntimeError as error:
            owner.shutdown()
            _log.warning(
                "FAISS cannot put the index on the GPU (%s); searching on the CPU", first_line(error)
            )
            return None
        return cls(owner, search)

    def search(self, queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
        """Search from the owner thread and wait for it."""
        return self._owner.submit(self._search, queries, k, probes).result()

    def close(self) -> None:
        """End the owner thread."""
        self._owner.shutdown()


def _clone_to_gpu(index: faiss.Index) -> Callable[..., Neighbors]:
    resources = faiss.StandardGpuResources()  # lives as long as the closure below
    copy = faiss.index_cpu_to_gpu(resources, 0, index)

    def search(queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
        assert resources is not None
        return _search(copy, queries, k, probes)

    return search
