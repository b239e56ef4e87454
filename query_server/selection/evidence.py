"""What a source was worth, told from evidence that comes for free.

That is which of its candidates were picked, and what the oracle then said of them.

A pick is worth the rarity of the class it turned out to be, in full where the classifier was wrong about it and in part
where it was right; a source is worth the sum of that for each of its scored candidates. Random draws are scored in
every round, so that the worth of one of theirs is the measure of the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from query_server.selection.board import NUMBER_OF, SOURCES, Entries
from query_server.selection.memory import Memory
from query_server.selection.ports import Int64, UInt64
from query_server.selection.values import Source

# What a round said counts this much less in each round after it: the classifier has changed, and so has its need.
_DISCOUNT = 0.8
# A pick that the classifier was right about still confirms it.
_CONFIRMED = 0.5
_MAX_RARITY = 10.0
# Weight of the prior opinion that a source is worth what a random draw is, in scored samples.
_PRIOR_SCORED = 100.0


@dataclass(frozen=True, kw_only=True)
class LabeledSet:
    """The campaign's labels.

    Attributes:
        rows: int64 [L].
        pool_ids: uint64 [L].
        labels: int64 [L].
        classes: C.
    """

    rows: Int64
    pool_ids: UInt64
    labels: Int64
    classes: int

    def counts(self) -> Int64:
        """Return the labels of each class int64 [C]; labels outside 0…C-1 are not counted."""
        inside = self.labels[(self.labels >= 0) & (self.labels < self.classes)]
        return np.bincount(inside, minlength=self.classes)

    def rarity(self) -> NDArray[np.float64]:
        """Return the rarity of each class float64 [C]: the mean count over its own, at most 10."""
        counts = self.counts()
        rarity: NDArray[np.float64] = np.minimum((counts.mean() + 1) / (counts + 1), _MAX_RARITY)
        return rarity


def settle(memory: Memory, labeled: LabeledSet) -> Memory:
    """Return the memory after looking at the labels that pending picks have got since."""
    if not len(memory.pending_ids) or not len(labeled.pool_ids):
        return memory
    order = np.argsort(labeled.pool_ids)
    sorted_ids = labeled.pool_ids[order]
    at = np.minimum(np.searchsorted(sorted_ids, memory.pending_ids), len(order) - 1)
    answered = sorted_ids[at] == memory.pending_ids
    labels = labeled.labels[order[at[answered]]]
    inside = (labels >= 0) & (labels < labeled.classes)
    if not answered.any():
        return memory
    sources = memory.pending_sources[answered]
    rarity = np.where(inside, labeled.rarity()[np.where(inside, labels, 0)], 1.0)
    wrong = memory.pending_predicted[answered] != labels
    worth = rarity * np.where(wrong, 1.0, _CONFIRMED)

    def sums(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(sources, weights=values, minlength=len(SOURCES)).astype(np.float64)

    return replace(
        memory,
        pending_ids=memory.pending_ids[~answered],
        pending_sources=memory.pending_sources[~answered],
        pending_predicted=memory.pending_predicted[~answered],
        scored=_DISCOUNT * memory.scored + memory.unsettled,
        unsettled=np.zeros(len(SOURCES)),
        worth=_DISCOUNT * memory.worth + sums(worth),
        labeled=memory.labeled + sums(np.ones(len(sources))),
        contradicted=memory.contradicted + sums(wrong.astype(np.float64)),
        rarity=memory.rarity + sums(rarity),
    )


def yields(memory: Memory) -> NDArray[np.float64]:
    """Return the worth of a scored sample of each source float64 [S'], 1 for a random one.

    Where little was scored the answer leans towards 1; with no random draw on record it is 1 for all.
    """
    random = NUMBER_OF[Source.RANDOM]
    if memory.scored[random] == 0 or memory.worth[random] == 0:
        return np.ones(len(SOURCES))
    base = memory.worth[random] / memory.scored[random]
    relative: NDArray[np.float64] = (memory.worth / base + _PRIOR_SCORED) / (memory.scored + _PRIOR_SCORED)
    return relative


def remember_picks(memory: Memory, picked: Entries, pool_ids: UInt64, scored: NDArray[np.float64]) -> Memory:
    """Return the memory with the picks of this round pending.

    Args:
        memory: Settled.
        picked: The picks.
        pool_ids: Theirs uint64 [budget].
        scored: Candidates scored of each source in this round float64 [S'].
    """
    return replace(
        memory,
        pending_ids=np.concatenate([memory.pending_ids, pool_ids]),
        pending_sources=np.concatenate([memory.pending_sources, picked.sources]),
        pending_predicted=np.concatenate([memory.pending_predicted, picked.predicted]),
        unsettled=memory.unsettled + scored,
    )
