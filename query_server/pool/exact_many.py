"""Exact nearest neighbors of some hundred queries over any number of mapped rows: what recall is held against.

What a block could add to a query is what is nearer than its k-th so far, and after the first blocks that is hardly
anything: so a block costs one matrix product and one comparison, a third of what FAISS's knn takes to keep heaps.
"""

import faiss
import numpy as np
import numpy.typing as npt

from query_server.pool.arrays import Streamed
from query_server.pool.exact import Neighbors
from query_server.timing import engine

_BLOCK_ROWS = 16_384


def exact_neighbors_of_many(
    queries: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32] | Streamed,
    k: int,
    *,
    threads: int,
) -> Neighbors:
    """Find the exact nearest rows of each query. O(Q · N · D).

    Distances are by the expanded square, so they are off by some 1e-3 where they are small; the order of rows at
    distances that close may differ.

    Args:
        queries: float32 [Q, D].
        features: float32 [N, D], may be mapped; N at least k.
        k: Neighbors per query.
        threads: OpenMP threads.

    Returns:
        (distances float32 [Q, k] Euclidean ascending, rows int64 [Q, k]).
    """
    faiss.omp_set_num_threads(threads)
    size = len(features)
    first = min(size, max(_BLOCK_ROWS, k))
    with engine():
        best, rows = faiss.knn(queries, np.ascontiguousarray(features[slice(0, first)]), k)  # squared
    for start in range(first, size, _BLOCK_ROWS):
        block = np.ascontiguousarray(features[slice(start, min(start + _BLOCK_ROWS, size))])  # [b, D]
        with engine():
            squared = faiss.pairwise_distances(queries, block)  # [Q, b]
        of, at = np.nonzero(squared < best[:, -1:])
        if len(of):
            best, rows = _merged(best, rows, of, squared[of, at], at + start)
    return np.sqrt(np.maximum(best, 0)), rows


def _merged(
    best: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    of: npt.NDArray[np.intp],
    squared: npt.NDArray[np.float32],
    found: npt.NDArray[np.int64],
) -> Neighbors:
    """Return the k nearest of best and rows [Q, k] and of the found ones [n], which are of the queries `of` [n]."""
    count, k = best.shape
    owners = np.concatenate([np.repeat(np.arange(count), k), of])
    distances = np.concatenate([best.ravel(), squared])
    candidates = np.concatenate([rows.ravel(), found])
    order = np.lexsort((distances, owners))
    starts = np.searchsorted(owners[order], np.arange(count))
    kept = order[starts[:, None] + np.arange(k)]  # [Q, k]
    return distances[kept], candidates[kept]
