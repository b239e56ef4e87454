"""Nearest neighbors among the rows a campaign may still select.

Some FAISS indexes ignore an id filter without saying so, so the filter is applied here, exactly and after the
search: fetch more than asked for, drop what is not available, and widen for the queries that came up short.
Where widening does not help (little is left, or an approximate coarse quantizer cannot reach every list), the
available rows are scanned exactly, so that a query gets fewer than k neighbors only if fewer than k rows are
available.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.open_rows import OpenRows
from query_server.pool.exact import exact_neighbors
from query_server.pool.index import FeatureIndex, check_features

_SCAN_ROWS = 8_192  # up to so many available rows a scan is as quick as a search
_MAX_WIDENINGS = 4
_MAX_FETCHED = 4_000_000  # neighbors held at a time, 12 bytes each


class AvailableNeighbors(NamedTuple):
    """What a filtered search found.

    Attributes:
        distances: float32 [Q, k], Euclidean, ascending; infinite where fewer than k rows are available.
        rows: int64 [Q, k]; -1 where fewer than k rows are available.
        visited: Rows returned by the index or scanned, before the filter.
    """

    distances: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    visited: int


def search_available(
    index: FeatureIndex,
    features: npt.NDArray[np.float32],
    queries: npt.NDArray[np.float32],
    k: int,
    available: OpenRows,
    *,
    threads: int,
) -> AvailableNeighbors:
    """Find the k nearest available rows of each query.

    Args:
        index: Over the pool's N features.
        features: float32 [N, D], what the index was filled with.
        queries: float32 [Q, D].
        k: Neighbors per query; more than N means N.
        available: Of the N rows.
        threads: OpenMP threads of the exact scan.

    Raises:
        DowserError: SHAPE_MISMATCH, NOT_FINITE or INVALID_ARGUMENT (k below 1).
    """
    queries = check_features(queries, index.feature_dim)
    if len(available) != index.size:
        raise errors.shape_mismatch((index.size,), (len(available),), what="available")
    if k < 1:
        raise errors.invalid_argument("k", k, f"1 to {index.size}")
    k = min(k, index.size)
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    left = available.count
    visited = 0
    # With a share p available, k/p rows hold k available ones on average.
    fetch = k if left == index.size else min(index.size, int(1.2 * k * index.size / max(left, 1)) + 8)
    block = max(1, _MAX_FETCHED // fetch)
    for start in range(0, len(queries), block):
        part = slice(start, start + block)
        short = np.arange(len(queries[part]))
        if left > _SCAN_ROWS or left == index.size:
            short, returned = _widen(
                index, queries[part], fetch, available, min(k, left), distances[part], rows[part]
            )
            visited += returned
        if left and len(short):
            found = exact_neighbors(
                queries[part][short], features, k, threads=threads, available=available.mask()
            )
            distances[part][short], rows[part][short] = found
            visited += left * len(short)
    return AvailableNeighbors(distances, rows, visited)


def _widen(
    index: FeatureIndex,
    queries: npt.NDArray[np.float32],
    fetch: int,
    available: OpenRows,
    enough: int,
    distances: npt.NDArray[np.float32],  # [Q, k], filled in
    rows: npt.NDArray[np.int64],  # [Q, k], filled in
) -> tuple[npt.NDArray[np.intp], int]:
    """Search and filter, wider each time; return (the queries still short of `enough`, rows returned in all)."""
    k = distances.shape[1]
    pending = np.arange(len(queries))
    nprobe, visited = index.nprobe, 0
    for _ in range(_MAX_WIDENINGS):
        found_distances, found_rows = index.search(queries[pending], fetch, nprobe=nprobe)
        returned = found_rows >= 0
        visited += int(np.count_nonzero(returned))
        keep = returned & available[np.maximum(found_rows, 0)]
        # Available ones first, the nearest first among them: [q, fetch] -> [q, k]
        order = np.argsort(~keep, axis=1, kind="stable")[:, :k]
        kept = np.take_along_axis(keep, order, axis=1)
        distances[pending] = np.where(kept, np.take_along_axis(found_distances, order, axis=1), np.inf)
        rows[pending] = np.where(kept, np.take_along_axis(found_rows, order, axis=1), -1)
        short = np.count_nonzero(kept, axis=1) < enough
        pending = pending[short]
        if not len(pending):
            break
        if not returned[short, -1].all():  # the probed lists ran out before `fetch` did
            if nprobe >= index.nlist:
                break
            nprobe = min(index.nlist, 2 * nprobe)
        elif fetch < index.size and fetch * len(pending) < _MAX_FETCHED:
            fetch = min(index.size, 2 * fetch)
        else:
            break
    return pending, visited
