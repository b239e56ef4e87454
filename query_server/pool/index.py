"""Nearest neighbors in feature space: one FAISS index file, opened for searching.

An index of codes finds candidates only: some times as many as asked for are fetched, and ranked by their exact
distances in the features, which stay mapped. A copy of the vectors in memory, as FAISS's own refinement keeps, would
cost what the codes saved.

A search on the CPU is safe from many threads at once; each sets its own number of OpenMP threads, because
FAISS's pools multiply per calling thread. Where a copy is on a GPU, its owner thread searches it for everybody
(``gpu``), up to the GPU's limits; beyond them, and after an error of the GPU, this index is searched.
"""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import faiss
import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.cores import share
from query_server.pool.arrays import Streamed
from query_server.pool.factory import first_line, inverted_lists, is_compressed
from query_server.pool.gpu import GpuIndex, GpuIndexOptions, put_on_gpu
from query_server.pool.gpu_copies import ivf_parameters
from query_server.timing import engine
from samples.mapped import gathered

Device = Literal["auto", "cpu", "cuda"]
Neighbors = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]

_RANKED_ROWS = 65_536  # features read at a time to rank candidates
_MAX_CANDIDATES = 4_000_000  # held at a time, 12 bytes each
_MOST_EXTRA = 32_768  # candidates beyond k: of a large k only the last few can be missed
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

    Searches go to its copy on a GPU where one is given or made, as far as that can take them.

    Attributes:
        size: N.
        feature_dim: D.
        nlist: Inverted lists; 0 for a flat index.
        nprobe: Lists probed a query unless the call says otherwise; 0 for a flat index.
        refine_factor: Candidates ranked for each neighbor asked for; 0 where the index holds the vectors themselves,
            or codes that come near enough.
        compressed: Whether it holds codes instead.
    """

    def __init__(
        self,
        index: faiss.Index,
        *,
        nprobe: int,
        threads: int,
        refine_factor: int = 0,
        features: npt.NDArray[np.float32] | Streamed | None = None,
        device: Device = "cpu",
        gpu: GpuIndexOptions | None = None,
        on_gpu: GpuIndex | None = None,
    ) -> None:
        self._index = index
        self._features = features
        self.compressed = is_compressed(index)
        self.refine_factor = refine_factor if features is not None else 0
        self._threads = threads
        self.size = int(index.ntotal)
        self.feature_dim = int(index.d)
        self.nlist = inverted_lists(index)
        self.nprobe = nprobe
        self._leaving = threading.Lock()
        self._on_gpu = on_gpu
        if on_gpu is not None:
            return
        if device != "cpu" and detect_flavour().gpus:
            self._on_gpu = put_on_gpu(index, features, nprobe=nprobe, options=gpu or GpuIndexOptions())
        elif device == "cuda":
            _log.warning("no CUDA device for the feature index (%s); searching on the CPU", detect_flavour())

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        nprobe: int,
        threads: int,
        refine_factor: int = 0,
        features: npt.NDArray[np.float32] | Streamed | None = None,
        device: Device = "auto",
        gpu: GpuIndexOptions | None = None,
    ) -> Self:
        """Map an index file into memory.

        Args:
            path: The file.
            nprobe: Lists probed a query; 0 where the index has none.
            threads: OpenMP threads of each search.
            refine_factor: Candidates ranked for each neighbor asked for; 0 where the index holds the vectors.
            features: float32 [N, D], what candidates are ranked by.
            device: Where to search; "auto" takes a GPU if FAISS has one.
            gpu: How it may use one.

        Raises:
            DowserError: CORRUPT_FILE if FAISS cannot read it.
        """
        # Inverted lists and plain vectors are mapped by different flags, and FAISS ignores the other kind's.
        flag = faiss.IO_FLAG_MMAP if nprobe else getattr(faiss, "IO_FLAG_MMAP_IFC", faiss.IO_FLAG_MMAP)
        try:
            # The tables that product quantization could look up take seconds to make and hundreds of MB.
            index = faiss.read_index(str(path), flag | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
        except RuntimeError as error:
            raise errors.corrupt_file(
                path, f"FAISS cannot read it ({first_line(error)}); build the index again"
            ) from error
        _search_on_the_callers_threads(index)
        return cls(
            index,
            nprobe=nprobe,
            threads=threads,
            refine_factor=refine_factor,
            features=features,
            device=device,
            gpu=gpu,
        )

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where it really searches."""
        return "cpu" if self._on_gpu is None else "cuda"

    def search(
        self,
        features: npt.NDArray[np.float32],
        k: int,
        *,
        nprobe: int | None = None,
        refine_factor: int | None = None,
        exact: bool = False,
    ) -> Neighbors:
        """Find the nearest neighbors of each query. O(Q · (nprobe · N/nlist + refine_factor · k) · D).

        Args:
            features: float32 [Q, D].
            k: Neighbors per query; more than N means N.
            nprobe: Lists to probe instead of the tuned number.
            refine_factor: Candidates to rank for each neighbor, instead of the tuned number.
            exact: Rank one candidate a neighbor at least where the index holds codes, so that distances are exact.

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
        factor = self.refine_factor if refine_factor is None else refine_factor
        if exact and self.compressed and self._features is not None:
            factor = max(1, factor)
        if factor:
            squared, rows = self._search_and_rank(queries, k, probes, factor)
        else:
            squared, rows = self._search(queries, k, probes)
        # FAISS pads with the largest float and can return tiny negative squares.
        distances = np.sqrt(np.maximum(squared, 0), dtype=np.float32)
        return np.where(rows < 0, np.float32(np.inf), distances), rows

    def _search(self, queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
        with engine():
            gpu = self._on_gpu
            if gpu is not None and gpu.takes(k, probes):
                try:
                    return gpu.search(queries, k, probes)
                except (RuntimeError, MemoryError) as error:
                    self._leave_gpu(error)
            with share(self._threads) as threads:
                faiss.omp_set_num_threads(threads)
                return _search(self._index, queries, k, probes)

    def _leave_gpu(self, error: Exception) -> None:
        """Search on the CPU from now on; the first of those who met the error says so."""
        with self._leaving:
            gpu, self._on_gpu = self._on_gpu, None
        if gpu is not None:
            _log.error("the GPU's search failed (%s); searching on the CPU from now on", first_line(error))
            gpu.close()

    def _search_and_rank(
        self, queries: npt.NDArray[np.float32], k: int, probes: int, factor: int
    ) -> Neighbors:
        """Fetch more than k and rank them, some queries at a time."""
        assert self._features is not None  # a factor comes with them
        fetch = min(k * factor, k + _MOST_EXTRA, self.size)
        block = max(1, _MAX_CANDIDATES // fetch)
        squared, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
        for start in range(0, len(queries), block):
            part = slice(start, start + block)
            _, candidates = self._search(queries[part], fetch, probes)
            squared[part], rows[part] = _ranked(queries[part], self._features, candidates, k)
        return squared, rows

    def close(self) -> None:
        """Give the GPU back, where one was used."""
        with self._leaving:
            gpu, self._on_gpu = self._on_gpu, None
        if gpu is not None:
            gpu.close()


def check_features(features: npt.NDArray[np.float32], feature_dim: int) -> npt.NDArray[np.float32]:
    """Return features as contiguous float32 [n, D]; raises SHAPE_MISMATCH or NOT_FINITE."""
    if features.ndim != 2 or features.shape[1] != feature_dim:
        raise errors.shape_mismatch(("n", feature_dim), features.shape, what="features")
    checked = np.ascontiguousarray(features, dtype=np.float32)
    finite = np.isfinite(checked).all(axis=1)
    if not finite.all():
        raise errors.not_finite("features", int(np.argmin(finite)))
    return checked


def _search_on_the_callers_threads(index: faiss.Index) -> None:
    """Keep FAISS from starting 32 threads of its own a search to read mapped lists ahead.

    At 1M vectors and 32 lists of 4,096 a query took 0.34 ms without them and 0.52 to 0.82 with them.
    """
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is None or ivf.invlists is None:
        return
    lists = faiss.downcast_InvertedLists(ivf.invlists)
    if isinstance(lists, faiss.OnDiskInvertedLists):
        lists.prefetch_nthread = 0


def _ranked(
    queries: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32] | Streamed,
    candidates: npt.NDArray[np.int64],
    k: int,
) -> Neighbors:
    """Return the k nearest of the candidates [Q, c], -1 where none, by exact squared distance."""
    squared = np.full(candidates.shape, np.inf, dtype=np.float32)
    flat, wanted = squared.reshape(-1), candidates.reshape(-1)
    found = np.flatnonzero(wanted >= 0)
    for start in range(0, len(found), _RANKED_ROWS):
        at = found[start : start + _RANKED_ROWS]
        rows = wanted[at]
        taken = features[rows] if isinstance(features, Streamed) else gathered(features, rows)
        difference = taken - queries[at // candidates.shape[1]]  # [n, D]
        flat[at] = np.einsum("nd,nd->n", difference, difference)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(squared, order, axis=1), np.take_along_axis(candidates, order, axis=1)


def _search(index: faiss.Index, queries: npt.NDArray[np.float32], k: int, probes: int) -> Neighbors:
    # Parameters are passed with the call: setting nprobe on a shared index would race.
    squared, rows = index.search(queries, k, params=ivf_parameters(k, probes))
    return squared, rows
