"""What a round works with: the pool, what is still free in it, the labels so far, and the board."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from query_server.open_rows import OpenRows
from query_server.selection.board import NUMBER_OF, Board, Proposal
from query_server.selection.evidence import LabeledSet
from query_server.selection.memory import Memory
from query_server.selection.ports import Checkpoint, Classifier, Float32, Int64, Neighborhood, Pool
from query_server.selection.values import Source, SynthesisOptions, SyntheticSamples
from query_server.timing import StageClock

_CHUNK = 1024


@dataclass(kw_only=True)
class Round:
    """The state of one selection; sources and strategies read it, and score through it.

    Attributes:
        pool: The real samples.
        classifier: The current one.
        open: Rows neither labeled, leased nor scored in this round; the round's own.
        labeled: The labels so far.
        memory: What earlier rounds left, settled.
        budget: Samples to pick, B.
        synthesis: How synthetic samples are made.
        seed: Of the round's randomness.
        clock: Times the stages.
        checkpoint: Called between steps; raises once the caller no longer waits.
        embedding: Whether the batch rule wants embeddings.
        score_bound: What no score exceeds; infinity where that is not known.
        board: What was scored.
        task: Where real samples are looked up by others: task-aware features; None means the pool's own.
        synthetic: What the ascent made, once it has run.
        unique_match_rate: Distinct nearest matches per synthetic sample, once known.
    """

    pool: Pool
    classifier: Classifier
    open: OpenRows
    labeled: LabeledSet
    memory: Memory
    budget: int
    synthesis: SynthesisOptions
    seed: int
    clock: StageClock
    checkpoint: Checkpoint
    embedding: bool = False
    score_bound: float = math.inf
    task: Neighborhood | None = None
    board: Board = field(default_factory=Board)
    synthetic: SyntheticSamples | None = None
    unique_match_rate: float | None = None

    def rng(self, source: Source) -> np.random.Generator:
        """Return a source's own randomness: what it draws does not hang on which others were asked."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, NUMBER_OF[source]]))

    def score(self, source: Source, proposal: Proposal) -> None:
        """Read and score proposed rows, and put them on the board; O(len(rows)) classifier calls."""
        synthetic, distances = proposal.synthetic, proposal.distances
        for part in _chunks(len(proposal.rows)):
            self.checkpoint("score")
            rows = proposal.rows[part]
            with self.clock.stage("read"):
                x = self.pool.inputs(rows)
            with self.clock.stage("score"):
                scored = self.classifier.score(x, embedding=self.embedding)
            self.open.close(rows)
            self.board.add(
                source,
                Proposal(
                    rows=rows,
                    synthetic=None if synthetic is None else synthetic[part],
                    distances=None if distances is None else distances[part],
                ),
                scored,
            )
        self.board.visited += proposal.visited

    @property
    def near(self) -> Neighborhood:
        """The features in which real samples are near each other."""
        return self.pool if self.task is None else self.task

    def search_around(self, rows: Int64, k: int) -> tuple[Float32, Int64, int]:
        """Return distances and rows [Q, k] of the open rows nearest to rows [Q] (-1 padded), and how many were seen."""
        self.checkpoint("search")
        with self.clock.stage("search"):
            return self.near.search_around(rows, k, self.open)


def draw(open_: OpenRows, count: int, rng: np.random.Generator) -> Int64:
    """Draw up to ``count`` distinct open rows uniformly.

    Rows are drawn from all N and rejected where not open, so that nothing of size N is made unless most of the pool
    is gone.
    """
    size = len(open_)
    free = open_.count
    count = min(count, free)
    if 2 * (size - free + count) > size:
        return rng.permutation(open_.rows())[:count]
    drawn = np.empty(0, np.int64)
    while len(drawn) < count:
        more = rng.integers(0, size, 2 * count)
        merged = np.concatenate([drawn, more[open_[more]]])
        _, first = np.unique(merged, return_index=True)
        drawn = merged[np.sort(first)]
    return drawn[:count]


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, start + _CHUNK)
