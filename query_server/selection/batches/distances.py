"""Euclidean distances in blocks, so that no [n, m] array of a large n is made at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

_BLOCK_ENTRIES = 1 << 21
_ROUNDING = 1e-13


def centered(points: NDArray[np.floating]) -> Float64:
    """Return points [n, E] less their mean in float64: distances stay, and lose less to cancellation."""
    wide = points.astype(np.float64)
    return wide - wide.mean(axis=0) if len(wide) else wide


def squared_norms(points: Float64) -> Float64:
    """Return the squared length [n] of points [n, E]."""
    return np.asarray(np.einsum("ne,ne->n", points, points))


def squared_from_products(products: Float64, norms_a: Float64, norms_b: Float64 | float) -> Float64:
    """Return |a - b|² from a·b, |a|² and |b|², which broadcast; exactly 0 where only rounding is left."""
    scale = norms_a + norms_b
    squared = scale - 2 * products
    squared[squared <= _ROUNDING * scale] = 0.0
    return squared


def squared_distances(a: Float64, b: Float64) -> Iterator[tuple[slice, Float64]]:
    """Yield blocks of rows of a [n, E] with their squared distances [block, m] to b [m, E]; O(n · m · E)."""
    norms_a, norms_b = squared_norms(a), squared_norms(b)
    step = max(1, _BLOCK_ENTRIES // max(1, len(b)))
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        yield rows, squared_from_products(a[rows] @ b.T, norms_a[rows, None], norms_b[None, :])
