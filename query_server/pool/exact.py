"""Exact nearest neighbors by brute force over mapped features, in blocks of bounded memory."""

from collections.abc import Iterator

import faiss
import numpy as np
import numpy.typing as npt

from query_server.timing import engine

Neighbors = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
_BLOCK_ROWS = 65_536


def exact_neighbors(
    queries: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    k: int,
    *,
    threads: int,
    available: npt.NDArray[np.bool_] | None = None,
) -> Neighbors:
    """Find the exact nearest rows of each query. O(Q · N · D).

    Args:
        queries: float32 [Q, D].
        features: float32 [N, D], may be mapped.
        k: Neighbors per query.
        threads: OpenMP threads.
        available: bool [N]; rows that are false are left out. None means all.

    Returns:
        (distances float32 [Q, k] Euclidean ascending, rows int64 [Q, k]), padded with infinity and -1.
    """
    faiss.omp_set_num_threads(threads)
    best = np.full((len(queries), k), np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    for block_rows in _blocks(len(features), available):
        block = np.ascontiguousarray(features[block_rows])  # [b, D]
        with engine():
            squared, at = faiss.knn(queries, block, min(k, len(block)))
        # Merge what was best so far with the block's: [Q, k + min(k, b)] -> [Q, k]
        candidates = np.concatenate([best, squared], axis=1)
        candidate_rows = np.concatenate([rows, block_rows[at]], axis=1)
        order = np.argsort(candidates, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(candidates, order, axis=1)
        rows = np.take_along_axis(candidate_rows, order, axis=1)
    return np.sqrt(np.maximum(best, 0)), rows


def _blocks(size: int, available: npt.NDArray[np.bool_] | None) -> Iterator[npt.NDArray[np.int64]]:
    if available is None:
        for start in range(0, size, _BLOCK_ROWS):
            yield np.arange(start, min(start + _BLOCK_ROWS, size))
        return
    rows = np.flatnonzero(available)
    for start in range(0, len(rows), _BLOCK_ROWS):
        yield rows[start : start + _BLOCK_ROWS].astype(np.int64)
