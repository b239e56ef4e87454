"""Recall by distance threshold, so that ties do not punish (as ann-benchmarks counts it)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from query_server.pool.arrays import Streamed

Features = npt.NDArray[np.float32] | Streamed


def recall(
    queries: npt.NDArray[np.float32],
    features: Features,
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
    queries: npt.NDArray[np.float32], features: Features, rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    neighbors = features[np.maximum(rows, 0)].astype(np.float64)  # [Q, k, D]
    distances: npt.NDArray[np.float64] = np.linalg.norm(neighbors - queries[:, None, :], axis=2)
    return distances
