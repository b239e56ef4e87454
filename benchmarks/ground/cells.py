"""Cells of the pool as arms of a bandit, a source that only this recipe knows.

After Chang and Nargesian 2025 (*Approximating Opaque Top-k Queries*): the scores seen in a cell make its histogram,
and an arm is worth the expected gain of a draw from it over the lowest of the best k seen so far; with probability
epsilon a cell is drawn at random instead. Here the scores themselves stand for their histogram, and a round proposes
several draws between two looks at the scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import faiss
import numpy as np
from numpy.typing import NDArray

from query_server.selection.board import NOTHING, Proposal
from query_server.selection.round import Round
from query_server.selection.sources.random_draw import RandomDraw
from query_server.selection.values import Source

_EPSILON = 0.1
_CELLS_OF_POOL = (
    0.25  # sqrt(N) times this many: an IVF index's, kept coarse as a round sees few scores of each
)
# Weight of the pool's mean gain in a cell's, in scores.
_PRIOR = 2.0


def cells_of(features: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the cell of each row of features [N, D], int64 [N], as k-means makes them."""
    count = max(8, int(_CELLS_OF_POOL * len(features) ** 0.5))
    kmeans = faiss.Kmeans(features.shape[1], count, niter=10, seed=0, min_points_per_centroid=1)
    kmeans.train(features)
    return kmeans.index.search(features, 1)[1][:, 0].astype(np.int64)


class CellBandit:
    """Draws from the cells whose scores promise most above the best so far.

    Args:
        cells: Cell of each row int64 [N].
    """

    source: ClassVar[Source] = Source.SURROGATE  # whose place in the round it takes
    step: ClassVar[int] = 25

    def __init__(self, cells: NDArray[np.int64]) -> None:
        self._cells = cells
        self._count = int(cells.max()) + 1

    @classmethod
    def over(cls, cells: NDArray[np.int64]) -> Callable[[], CellBandit]:
        """Return what makes one for a round."""
        return lambda: cls(cells)

    def propose(self, round_: Round, count: int) -> Proposal:
        """Draw ``count`` rows, each from the best cell or, by epsilon, from any."""
        if not round_.board.scored:
            return RandomDraw().propose(round_, min(count, 2 * self._count))
        entries = round_.board.entries()
        rng = np.random.default_rng([round_.seed, round_.board.scored])
        threshold = np.sort(entries.scores)[::-1][min(round_.budget, len(entries)) - 1]
        gain = np.maximum(entries.scores - threshold, 0)
        seen = self._cells[entries.rows]
        worth = np.bincount(seen, weights=gain, minlength=self._count) + _PRIOR * gain.mean()
        worth /= np.bincount(seen, minlength=self._count) + _PRIOR
        open_rows = round_.open.rows()
        by_cell = open_rows[rng.permutation(len(open_rows))]
        by_cell = by_cell[np.argsort(self._cells[by_cell], kind="stable")]
        ends = np.cumsum(np.bincount(self._cells[by_cell], minlength=self._count))
        left = np.diff(ends, prepend=0)
        # A cell gets no more draws between two looks than its worth is of the whole.
        drawn: list[int] = []
        quota = np.ceil(count * worth / worth.sum()) if worth.sum() > 0 else np.ones(self._count)
        taken = np.zeros(self._count, np.int64)
        for _ in range(count):
            allowed = taken < left
            if not allowed.any():
                break
            best = allowed & (taken < quota)
            if not best.any() or rng.random() < _EPSILON:
                cell = int(rng.choice(np.flatnonzero(allowed)))
            else:
                cell = int(np.argmax(np.where(best, worth, -1)))
            taken[cell] += 1
            drawn.append(int(by_cell[ends[cell] - taken[cell]]))
        return Proposal(rows=np.array(drawn, np.int64)) if drawn else NOTHING
