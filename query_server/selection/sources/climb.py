"""A best-first walk to high scores over nearest neighbors, fetched from the feature index as it goes.

Every step expands the best scored samples that were not expanded yet and proposes their nearest open neighbors. It
reaches the scores of an exhaustive search, but what it finds resembles each other: a source for those who ask for high
scores, not for the batch that teaches most.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from query_server.selection.board import NOTHING, Proposal
from query_server.selection.ports import Int64
from query_server.selection.round import Round
from query_server.selection.sources.random_draw import RandomDraw
from query_server.selection.values import Source

_NEIGHBORS = 12
_EXPANDED = 8
# Random rows to start from, for each sample of the budget, where no other source has scored any.
_STARTS = 5


class Climb:
    """Walks from whatever the board holds."""

    source: ClassVar[Source] = Source.CLIMB
    step: ClassVar[int] = 64

    def __init__(self) -> None:
        self._expanded: Int64 = np.empty(0, np.int64)
        self._starts: int | None = None

    def propose(self, round_: Round, count: int) -> Proposal:
        """Expand the best, until enough new rows are found or nothing is left to expand."""
        if self._starts is None:
            self._starts = 0 if round_.board.scored else _STARTS * round_.budget
        if self._starts > 0:
            drawn = RandomDraw().propose(round_, min(count, self._starts))
            self._starts -= len(drawn.rows)
            return drawn
        entries = round_.board.entries()
        frontier = entries.rows[entries.by_score()]
        frontier = frontier[~np.isin(frontier, self._expanded)]
        for start in range(0, len(frontier), _EXPANDED):
            best = frontier[start : start + _EXPANDED]
            self._expanded = np.concatenate([self._expanded, best])
            _, rows, visited = round_.search(round_.near.features(best), _NEIGHBORS)
            by_rank = rows.T.reshape(-1)
            _, first = np.unique(by_rank, return_index=True)
            new = by_rank[np.sort(first)]
            new = new[new >= 0][:count]
            if len(new):
                return Proposal(rows=new, visited=visited)
        return NOTHING
