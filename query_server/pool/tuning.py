"""How good the index is, and how many lists it must probe.

Real queries (encoded synthetic samples) are near the pool but not in it, so the held-out queries are features
of random pool rows moved by noise of the length of a typical nearest-neighbor distance, shaped like the
pool's own spread. Recall counts a returned neighbor as found if it is no farther than the exact k-th one, so
that ties do not punish (as in ann-benchmarks).
"""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from query_server.pool.exact import exact_neighbors
from query_server.pool.index import FeatureIndex

Float32Array = npt.NDArray[np.float32]

K = 10
_QUERIES = 512
_SPACING_ROWS = 64  # rows whose nearest neighbor is measured
_SPREAD_ROWS = 4096  # rows the pool's spread is measured on


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The smallest nprobe that meets the recall target (0 for a flat index), and the recall it has."""

    nprobe: int
    recall_at_10: float
    queries: int


def tune(
    index: faiss.Index,
    features: Float32Array,
    *,
    recall_target: float,
    threads: int,
    rng: np.random.Generator,
) -> Tuning:
    """Measure recall@10 on held-out queries and find the smallest nprobe that meets the target.

    Args:
        index: Trained and filled with the features.
        features: float32 [N, D], may be mapped.
        recall_target: 0 to 1. If no nprobe meets it, the best is taken.
        threads: OpenMP threads.
        rng: Draws the queries.
    """
    queries = held_out_queries(features, min(_QUERIES, len(features)), threads=threads, rng=rng)
    k = min(K, len(features))
    _, exact_rows = exact_neighbors(queries, features, k, threads=threads)
    searcher = FeatureIndex(index, nprobe=1, threads=threads)

    def recall_of(nprobe: int) -> float:
        _, rows = searcher.search(queries, k, nprobe=nprobe)
        return recall(queries, features, rows, exact_rows)

    if not searcher.nlist:
        return Tuning(nprobe=0, recall_at_10=recall_of(0), queries=len(queries))
    low, high = 0, 1  # recall at `low` misses the target, recall at `high` may meet it
    measured = recall_of(high)
    while measured < recall_target and high < searcher.nlist:
        low, high = high, min(2 * high, searcher.nlist)
        measured = recall_of(high)
    while measured >= recall_target and high - low > 1:
        middle = (low + high) // 2
        found = recall_of(middle)
        if found >= recall_target:
            high, measured = middle, found
        else:
            low = middle
    return Tuning(nprobe=high, recall_at_10=measured, queries=len(queries))


def held_out_queries(
    features: Float32Array, count: int, *, threads: int, rng: np.random.Generator
) -> Float32Array:
    """Return float32 [count, D], random features moved by about a nearest-neighbor distance."""
    size = len(features)
    near = features[np.sort(rng.choice(size, min(_SPACING_ROWS, size), replace=False))]
    distances, _ = exact_neighbors(near, features, min(2, size), threads=threads)
    spacing = float(np.mean(distances[:, -1]))  # the first is the row itself
    spread = features[np.sort(rng.choice(size, min(_SPREAD_ROWS, size), replace=False))].std(axis=0)  # [D]
    noise = rng.standard_normal((count, features.shape[1]), dtype=np.float32) * spread
    lengths = np.linalg.norm(noise, axis=1, keepdims=True)
    noise *= spacing / np.maximum(lengths, np.finfo(np.float32).tiny)
    moved: Float32Array = features[np.sort(rng.choice(size, count, replace=False))] + noise
    return moved


def recall(
    queries: Float32Array,
    features: Float32Array,
    found_rows: npt.NDArray[np.int64],
    exact_rows: npt.NDArray[np.int64],
) -> float:
    """Return the part of the exact k nearest neighbors that was found, ties counting as found.

    Args:
        queries: float32 [Q, D].
        features: float32 [N, D].
        found_rows: int64 [Q, k], -1 where nothing was found.
        exact_rows: int64 [Q, k].
    """
    # Recomputed in float64: the two searches round differently.
    farthest = _distances(queries, features, exact_rows).max(axis=1, keepdims=True)  # [Q, 1]
    found = _distances(queries, features, found_rows) <= farthest * (1 + 1e-6)
    return float(np.mean(found & (found_rows >= 0)))


def _distances(
    queries: Float32Array, features: Float32Array, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    neighbors = features[np.maximum(rows, 0)].astype(np.float64)  # [Q, k, D]
    distances: npt.NDArray[np.float64] = np.linalg.norm(neighbors - queries[:, None, :], axis=2)
    return distances
