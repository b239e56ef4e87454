"""The board of a round: every real sample that was scored, what it scored, and which source proposed it first."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from query_server.selection.ports import Float32, Int64, Scored
from query_server.selection.values import Source

#: Sources by the number the board and the campaign's memory keep for them; append only, memories are on disk.
SOURCES: tuple[Source, ...] = (
    Source.SYNTHESIS,
    Source.RANDOM,
    Source.EXHAUSTIVE,
    Source.LABELED_NEIGHBORS,
    Source.CLASS_ANCHORS,
    Source.CARRY_OVER,
    Source.CLIMB,
    Source.SURROGATE,
    Source.SEALS,
)
NUMBER_OF = {source: number for number, source in enumerate(SOURCES)}


@dataclass(frozen=True, kw_only=True)
class Entries:
    """M scored samples in the order in which they were scored.

    Attributes:
        rows: int64 [M], no two alike.
        sources: Numbers of ``SOURCES`` int64 [M].
        scores: float32 [M].
        predicted: int64 [M].
        probabilities: float32 [M, C].
        passes: float32 [T, M, C]; None for a deterministic classifier.
        embedding: float32 [M, E]; None where it was not asked for.
        synthetic: Index of the synthetic sample that led here int64 [M]; -1 without one.
        distances: Euclidean feature distance to it float32 [M]; NaN without one.
    """

    rows: Int64
    sources: Int64
    scores: Float32
    predicted: Int64
    probabilities: Float32
    passes: Float32 | None
    embedding: Float32 | None
    synthetic: Int64
    distances: Float32

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: Int64) -> Entries:
        """Return the entries at positions int64 [n], in that order."""
        taken = {}
        for field in fields(self):
            values = getattr(self, field.name)
            if values is not None:
                values = values[:, positions] if field.name == "passes" else values[positions]
            taken[field.name] = values
        return Entries(**taken)

    def by_score(self) -> Int64:
        """Return the positions int64 [M], the highest score first; ties in the order of scoring."""
        return np.argsort(-self.scores, kind="stable")


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Rows that a source wants scored.

    Attributes:
        rows: int64 [n], no two alike, each of them unlabeled, unleased and not scored in this round.
        synthetic: Index of the synthetic sample that led to each int64 [n]; None without synthesis.
        distances: Euclidean feature distance to it float32 [n]; None without synthesis.
        visited: Index entries that the search returned before filtering.
    """

    rows: Int64
    synthetic: Int64 | None = None
    distances: Float32 | None = None
    visited: int = 0


NOTHING = Proposal(rows=np.empty(0, np.int64))


class Board:
    """Collects entries; cheap to add to, joined when read.

    Attributes:
        scored: Samples scored so far, also those that were let go.
        visited: Index entries that searches returned before filtering.
    """

    def __init__(self) -> None:
        self._parts: list[Entries] = []
        self.scored = 0
        self.visited = 0

    def add(self, source: Source, proposal: Proposal, scored: Scored) -> None:
        """Add what a source proposed and the classifier said of it."""
        count = len(proposal.rows)
        self._parts.append(
            Entries(
                rows=proposal.rows,
                sources=np.full(count, NUMBER_OF[source], np.int64),
                scores=scored.scores,
                predicted=scored.predicted,
                probabilities=scored.probabilities,
                passes=scored.passes,
                embedding=scored.embedding,
                synthetic=np.full(count, -1, np.int64) if proposal.synthetic is None else proposal.synthetic,
                distances=np.full(count, np.nan, np.float32)
                if proposal.distances is None
                else proposal.distances,
            )
        )
        self.scored += count
        self.visited += proposal.visited

    def extend(self, entries: Entries, *, scored: int, visited: int) -> None:
        """Add entries made elsewhere, so many of them scored."""
        self._parts.append(entries)
        self.scored += scored
        self.visited += visited

    def entries(self) -> Entries:
        """Return everything on the board; at least one entry must have been added."""
        if len(self._parts) > 1:
            self._parts = [_joined(self._parts)]
        return self._parts[0]

    def trim(self, *, best: int, per_class: int) -> None:
        """Let go of all but the ``best`` scores and the ``per_class`` best of every predicted class.

        So that scoring a whole pool takes memory for the best of it alone.
        """
        entries = self.entries()
        if len(entries) <= 2 * best:
            return
        ranked = entries.by_score()
        keep = np.zeros(len(entries), bool)
        keep[ranked[:best]] = True
        for predicted in np.unique(entries.predicted):
            keep[ranked[entries.predicted[ranked] == predicted][:per_class]] = True
        self._parts = [entries.take(np.flatnonzero(keep))]


def not_scored(
    source: Source, rows: Int64, *, synthetic: Int64 | None = None, distances: Float32 | None = None
) -> Entries:
    """Return entries for rows [M] that no classifier has seen: NaN scores, predicted class -1, no probabilities."""
    count = len(rows)
    return Entries(
        rows=rows,
        sources=np.full(count, NUMBER_OF[source], np.int64),
        scores=np.full(count, np.nan, np.float32),
        predicted=np.full(count, -1, np.int64),
        probabilities=np.empty((count, 0), np.float32),
        passes=None,
        embedding=None,
        synthetic=np.full(count, -1, np.int64) if synthetic is None else synthetic,
        distances=np.full(count, np.nan, np.float32) if distances is None else distances,
    )


def _joined(parts: list[Entries]) -> Entries:
    joined: dict[str, Any] = {}
    for field in fields(Entries):
        values = [getattr(part, field.name) for part in parts]
        joined[field.name] = (
            None if values[0] is None else np.concatenate(values, axis=1 if field.name == "passes" else 0)
        )
    return Entries(**joined)
