"""Indexes on the CPU and on the GPU, and the times of searches in them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.pools import PoolFiles
from query_server.open_rows import OpenRows
from query_server.pool import GpuIndexOptions
from query_server.pool.exact_many import exact_neighbors_of_many
from query_server.pool.filtered import search_available
from query_server.pool.gpu import GpuIndex, put_on_gpu
from query_server.pool.gpu_copies import Copy, ivf_parameters
from query_server.pool.index import FeatureIndex
from query_server.pool.owner import SearchOwner
from query_server.pool.recall import recall
from query_server.pool.tuning import held_out_queries

K = 10
KINDS = ("ivf", "cagra")
COUNTS = (10, 100)  # queries of a search, as a round's budget
EXCLUDED = 0.05
CALLERS = 8
_JUDGED = 128  # queries whose exact neighbors are found


class OpenPool:
    """A pool opened for searching on one side.

    Args:
        files: The pool.
        threads: Of searches on the CPU.
        kind: Of the copy on the GPU; None searches on the CPU.
        device: "cuda", or "cpu", where an index on the CPU stands in for the copy.

    Attributes:
        index: Searches where it is told to.
        gpu: The copy; None on the CPU, or where there could be none.
        seconds: What the copy took.
    """

    def __init__(self, files: PoolFiles, *, threads: int, kind: str | None, device: str) -> None:
        self.files = files
        self._threads = threads
        started = perf_counter()
        on_cpu = faiss.read_index(str(files.index), faiss.IO_FLAG_MMAP if files.nprobe else 0)
        self.gpu: GpuIndex | None = None
        if kind is not None and device == "cuda":
            options = GpuIndexOptions(kind="cagra" if kind == "cagra" else "ivf")
            self.gpu = put_on_gpu(on_cpu, files.features, nprobe=files.nprobe, options=options)
        elif kind is not None:
            self.gpu = _standing_in(on_cpu, files, kind)
        self.index = FeatureIndex(on_cpu, nprobe=files.nprobe, threads=threads, on_gpu=self.gpu)
        self.seconds = perf_counter() - started
        self.available = OpenRows.of(np.random.default_rng(1).random(len(files.features)) >= EXCLUDED)

    def nearest(self, queries: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return the ten nearest available rows [Q, 10]."""
        found = search_available(
            self.index, self.files.features, queries, K, self.available, threads=self._threads
        )
        return found.rows

    def close(self) -> None:
        """Let go of the GPU."""
        self.index.close()


def measure(pool: OpenPool, *, turns: int, threads: int) -> dict[str, Any]:
    """Return times, recall, and what concurrent callers get."""
    features = pool.files.features
    rng = np.random.default_rng(2)
    queries = held_out_queries(features, max(*COUNTS, _JUDGED), threads=threads, rng=rng)
    _, exact = exact_neighbors_of_many(queries[:_JUDGED], features, K, threads=threads)
    _, found = pool.index.search(queries[:_JUDGED], K)
    times: dict[str, Any] = {}
    for count in COUNTS:
        pool.nearest(queries[:count])
        seconds = []
        for _ in range(turns):
            started = perf_counter()
            pool.nearest(queries[:count])
            seconds.append(perf_counter() - started)
        times[str(count)] = milliseconds(seconds)
    return {
        "recall_at_10": recall(queries[:_JUDGED], features, found, exact),
        "search_ms": times,
        "concurrent": _together(pool, queries[: COUNTS[0]], turns),
        "open_seconds": pool.seconds,
        "agreement": pool.gpu.agreement if pool.gpu is not None else None,
    }


def milliseconds(seconds: list[float]) -> Mapping[str, float]:
    """Return p50 and p99 in milliseconds."""
    return {f"p{part}": float(np.percentile(seconds, part)) * 1000 for part in (50, 99)}


def _together(pool: OpenPool, queries: NDArray[np.float32], turns: int) -> dict[str, float]:
    """Return what so many callers at a time get done, and how many of them the owner answers by one search."""
    owner = pool.gpu.owner if pool.gpu is not None else None
    before = (owner.searches, owner.answered) if owner is not None else (0, 0)
    started = perf_counter()
    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(lambda _: pool.nearest(queries), range(CALLERS * turns)))
    seconds = perf_counter() - started
    told = {"callers": float(CALLERS), "searches_per_second": CALLERS * turns / seconds}
    if owner is not None:
        searches, answered = owner.searches - before[0], owner.answered - before[1]
        told["callers_a_search"] = answered / max(searches, 1)
    return told


def _standing_in(index: faiss.Index, files: PoolFiles, kind: str) -> GpuIndex:
    """Return an index on the CPU behind the owner's queue: the same lists, or a graph for CAGRA's."""
    made = index
    if kind == "cagra":
        made = faiss.IndexHNSWFlat(files.features.shape[1], 16)
        made.add(np.ascontiguousarray(files.features))
    plain = kind == "cagra"
    owner = SearchOwner(
        lambda: made, parameters=(lambda k, probes: None) if plain else ivf_parameters, most=512
    )
    return GpuIndex(Copy(owner=owner, most=512, agreement=1.0), kind="cagra" if plain else "ivf")
