"""From synthetic samples to the real ones nearest to them in feature space (ASAL §4.2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from query_server.open_rows import OpenRows
from query_server.selection.ports import Float32, Int64, Pool

_SPARE = 4


@dataclass(frozen=True, kw_only=True)
class Matches:
    """Real samples that synthetic ones led to, each once.

    Attributes:
        rows: int64 [M].
        synthetic: Index of the synthetic sample int64 [M].
        distances: Euclidean feature distance to it float32 [M].
        nearest: The nearest real sample of each synthetic one int64 [S], whether taken or not.
        visited: Index entries returned before filtering.
    """

    rows: Int64
    synthetic: Int64
    distances: Float32
    nearest: Int64
    visited: int


def nearest_unshared(pool: Pool, features: Float32, *, count: int, available: OpenRows) -> Matches:
    """Match every synthetic sample with its nearest real sample that no other has taken.

    The synthetic samples take turns in their order; one whose nearest is taken gets its next. With ``count`` above
    their number they take another turn. This is ASAL's drawing from the pool without replacement.

    Args:
        pool: The real samples.
        features: Of the synthetic samples, float32 [S, D], the most informative first.
        count: Matches wanted.
        available: Rows that may be taken, at least ``count`` of them.
    """
    k = min(pool.size, max(8, 2 * -(-count // len(features))))
    visited = 0
    while True:
        distances, rows, seen = pool.search_available(features, k, available)
        visited += seen
        taken: dict[int, tuple[int, float]] = {}
        cursors = [0] * len(features)
        progressed = True
        while len(taken) < count and progressed:
            progressed = False
            for synthetic in range(len(features)):
                if len(taken) == count:
                    break
                while cursors[synthetic] < rows.shape[1]:
                    rank = cursors[synthetic]
                    cursors[synthetic] += 1
                    row = int(rows[synthetic, rank])
                    if row >= 0 and row not in taken:
                        taken[row] = (synthetic, float(distances[synthetic, rank]))
                        progressed = True
                        break
        if len(taken) == count or k >= pool.size:
            return Matches(
                rows=np.fromiter(taken, np.int64, len(taken)),
                synthetic=np.array([synthetic for synthetic, _ in taken.values()], np.int64),
                distances=np.array([distance for _, distance in taken.values()], np.float32),
                nearest=rows[:, 0],
                visited=visited,
            )
        k = min(pool.size, 2 * k)


def nearest_many(pool: Pool, features: Float32, *, count: int, available: OpenRows) -> Matches:
    """Collect up to ``count`` distinct real samples, the nearest of every synthetic sample before their next nearest.

    A row near several synthetic samples is kept once, with the one it is nearest to in rank.

    Args:
        pool: The real samples.
        features: Of the synthetic samples, float32 [S, D].
        count: Matches wanted at most.
        available: Rows that may be taken.
    """
    count = min(count, available.count)
    if not count:
        none = np.empty(0, np.int64)
        return Matches(rows=none, synthetic=none, distances=none.astype(np.float32), nearest=none, visited=0)
    # Synthetic samples lie close together and share neighbors: ask for some to spare, a second search costs more.
    k = min(pool.size, _SPARE * -(-count // len(features)))
    visited = 0
    while True:
        distances, rows, seen = pool.search_available(features, k, available)
        visited += seen
        by_rank = rows.T.reshape(-1)  # [k * S], every first neighbor, then every second, ...
        _, first = np.unique(by_rank, return_index=True)
        first = np.sort(first[by_rank[first] >= 0])[:count]
        if len(first) >= count or k >= pool.size:
            return Matches(
                rows=by_rank[first],
                synthetic=first % len(features),
                distances=distances.T.reshape(-1)[first],
                nearest=rows[:, 0],
                visited=visited,
            )
        k = min(pool.size, 2 * k)
