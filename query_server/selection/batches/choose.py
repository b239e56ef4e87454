"""From scored candidates to the order in which they are picked: shortlist, near-duplicates, rule, spares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from query_server.selection.batches.duplicates import without_duplicates
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchChoice

# Comparing every candidate with every other is quadratic: beyond this many, only the best are looked at.
_MOST_COMPARED = 5000


def choose_batch(
    rule: BatchRule, shortlist: Shortlist, *, count: int, choice: BatchChoice, rng: np.random.Generator
) -> Int64:
    """Order all candidates: the batch first, as the rule draws it, then what is left by score.

    Args:
        rule: How the batch is drawn.
        shortlist: M scored candidates, the highest score first.
        count: Size of the batch.
        choice: How many candidates the rule looks at, and which of them count as near-duplicates.
        rng: The round's randomness; the same state gives the same order.

    Returns:
        Positions int64 [M], each once.
    """
    size = len(shortlist)
    looked_at = choice.shortlist or rule.default_shortlist * count or size
    if choice.duplicate_distance > 0:
        looked_at = min(looked_at, _MOST_COMPARED)
    positions = np.arange(min(size, max(looked_at, count)), dtype=np.int64)
    if choice.duplicate_distance > 0:
        positions = without_duplicates(
            shortlist.features[: len(positions)], positions, distance=choice.duplicate_distance, count=count
        )
    chosen = positions[rule.choose(_part(shortlist, positions), count, choice.coldness, rng)]
    left = np.ones(size, bool)
    left[chosen] = False
    return np.concatenate([chosen, np.flatnonzero(left)])


def _part(shortlist: Shortlist, positions: Int64) -> Shortlist:
    if len(positions) == len(shortlist):
        return shortlist
    return replace(
        shortlist,
        scores=shortlist.scores[positions],
        predicted=shortlist.predicted[positions],
        probabilities=shortlist.probabilities[positions],
        passes=None if shortlist.passes is None else shortlist.passes[:, positions],
        features=shortlist.features[positions],
        embedding=shortlist.embedding[positions],
    )
