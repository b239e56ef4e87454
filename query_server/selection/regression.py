"""Gaussian-process regression from features to what a classifier would say: a guess that costs no inference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from query_server.selection.ports import Float32


def predict(
    features: Float32, targets: Float32, asked: Float32, *, length: float, noise: float
) -> NDArray[np.float64]:
    """Return the predicted mean float64 [n, T'] at asked (Rasmussen and Williams 2006, algorithm 2.1, mean only).

    Args:
        features: float32 [T, D].
        targets: float32 [T, T'], one column an output; all share the RBF kernel.
        asked: float32 [n, D].
        length: Of the kernel, in median distances between the features.
        noise: Variance, in variances of the targets.
    """
    squared = _squared_distances(features, features)
    scale = length**2 * float(np.median(squared)) or 1.0
    mean, spread = targets.mean(0), targets.std(0) + 1e-6
    kernel = np.exp(-0.5 / scale * squared) + noise * np.eye(len(features), dtype=np.float32)
    weights = np.linalg.solve(kernel, (targets - mean) / spread)  # [T, T']
    across = np.exp(-0.5 / scale * _squared_distances(asked, features))
    means: NDArray[np.float64] = (across @ weights * spread + mean).astype(np.float64)
    return means


def _squared_distances(a: Float32, b: Float32) -> Float32:
    """Return squared Euclidean distances [n, m] of a [n, D] and b [m, D]."""
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * (a @ b.T)
    distances: Float32 = np.maximum(squared, 0)
    return distances
