"""Neighbors of a pool's own rows, kept: rounds ask what is near their labels, and labels stay.

What the index finds near a row hangs on nothing but the row, so it is searched once and serves every later round and
every campaign; what may be selected is filtered anew each time. A request then searches for its new labels alone, and
its time grows with the pool no more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import numpy.typing as npt

from query_server.open_rows import OpenRows
from query_server.pool.filtered import AvailableNeighbors, search_available
from query_server.pool.index import FeatureIndex

KEPT = 64
"""Neighbors kept of a row; who has too few available ones among them is searched for anew."""

_MOST_ROWS = 65_536  # 12 bytes a neighbor: 48 MiB

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


class KnownNeighbors:
    """What an index found near rows that were asked about. Thread-safe; shared by all states over that index.

    Args:
        index: Over N features.
        features: float32 [N, D], what it was filled with.
        threads: OpenMP threads of each search.
        most: Rows remembered; those asked about least recently go first.
    """

    def __init__(
        self, index: FeatureIndex, features: Float32Array, *, threads: int, most: int = _MOST_ROWS
    ) -> None:
        self._index = index
        self._features = features
        self._threads = threads
        self._most = most
        self._known: OrderedDict[int, tuple[Float32Array, Int64Array]] = OrderedDict()
        self._lock = threading.Lock()

    def search_available(
        self, rows: Int64Array, queries: Float32Array, k: int, available: OpenRows
    ) -> AvailableNeighbors:
        """Find the k nearest available rows of the index around each row asked about.

        Args:
            rows: int64 [Q]; those of the index are remembered, added ones are not.
            queries: Their features float32 [Q, D].
            k: Neighbors per row; more than N means N.
            available: Of the N rows.

        Raises:
            DowserError: As ``filtered.search_available``.
        """
        wanted = min(k, self._index.size, available.count)
        if not len(rows) or k > KEPT // 2 or wanted < k:
            return self._search(queries, k, available)
        distances, found, visited = self._near(rows, queries)
        keep = (found >= 0) & available[np.maximum(found, 0)]
        order = np.argsort(~keep, axis=1, kind="stable")[:, :k]
        distances = np.take_along_axis(distances, order, axis=1)
        found = np.take_along_axis(found, order, axis=1)
        short = np.flatnonzero(np.count_nonzero(keep, axis=1) < k)
        if len(short):
            anew = self._search(queries[short], k, available)
            distances[short], found[short] = anew.distances, anew.rows
            visited += anew.visited
        return AvailableNeighbors(distances, found, visited)

    def _search(self, queries: Float32Array, k: int, available: OpenRows) -> AvailableNeighbors:
        return search_available(self._index, self._features, queries, k, available, threads=self._threads)

    def _near(self, rows: Int64Array, queries: Float32Array) -> tuple[Float32Array, Int64Array, int]:
        """Return distances and rows [Q, KEPT], and how many of them the index was asked for now."""
        names = rows.tolist()
        with self._lock:
            known = {row: self._known[row] for row in names if row in self._known}
            for row in known:
                self._known.move_to_end(row)
        new = [position for position, row in enumerate(names) if row not in known]
        visited = 0
        if new:
            distances, found = self._index.search(queries[new], KEPT)
            visited = int(np.count_nonzero(found >= 0))
            fresh = {names[position]: (distances[at], found[at]) for at, position in enumerate(new)}
            known |= fresh
            with self._lock:
                self._known |= {row: near for row, near in fresh.items() if row < self._index.size}
                while len(self._known) > self._most:
                    self._known.popitem(last=False)
        return (
            np.stack([known[row][0] for row in names]),
            np.stack([known[row][1] for row in names]),
            visited,
        )
