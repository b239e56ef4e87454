"""What a source was worth, told from evidence that comes for free: what the oracle said of its picks.

Labels are what is scarce, so worth is counted a pick, not a scored sample. A pick is worth the rarity of the class it
turned out to be, in full where the classifier was wrong about it and in part where it was right. Some random draws are
scored and picked in every round, so that the worth of one of theirs is the measure of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
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
_CONFIRMED = 0.25
_MAX_RARITY = 10.0
# Weight of the opinion that a source had before there was evidence, in labeled picks.
_PRIOR_PICKS = 40.0
# Worth of a pick that is no rarer than others and wrong half of the time.
_TYPICAL_WORTH = (1 + _CONFIRMED) / 2


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

    def overdispersion(self) -> float:
        """Return how much more the counts of the classes differ than chance explains.

        That is their variance over the squared mean, less what independent draws from classes of one size would have;
        at 0 or less no class is known to be rare.
        """
        counts = self.counts()
        mean = counts.mean()
        return float(counts.var() / mean**2 - 1 / mean) if mean > 0 else 0.0


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
        settled=_DISCOUNT * memory.settled + sums(np.ones(len(sources))),
        worth=_DISCOUNT * memory.worth + sums(worth),
        labeled=memory.labeled + sums(np.ones(len(sources))),
        contradicted=memory.contradicted + sums(wrong.astype(np.float64)),
        rarity=memory.rarity + sums(rarity),
    )


def yields(memory: Memory, priors: Mapping[Source, float]) -> dict[Source, float]:
    """Return the worth of a labeled pick of each source, 1 for a random one.

    Args:
        memory: Settled.
        priors: What each source is thought to be worth before there is evidence; it outweighs a few picks.
    """
    random = NUMBER_OF[Source.RANDOM]
    if memory.settled[random] <= 0 or memory.worth[random] <= 0:
        return dict(priors)
    base = (memory.worth[random] + _PRIOR_PICKS * _TYPICAL_WORTH) / (memory.settled[random] + _PRIOR_PICKS)

    def relative(source: Source, prior: float) -> float:
        number = NUMBER_OF[source]
        weighed = memory.worth[number] / base + _PRIOR_PICKS * prior
        return 1.0 if source is Source.RANDOM else float(weighed / (memory.settled[number] + _PRIOR_PICKS))

    return {source: relative(source, prior) for source, prior in priors.items()}


def remember_picks(memory: Memory, picked: Entries, pool_ids: UInt64) -> Memory:
    """Return the memory with the picks of this round pending; ``pool_ids`` uint64 [budget] are theirs.

    A sample that was picked before and came back unlabeled (released, or its lease ended) counts for this round's pick
    alone: one label is evidence once. Picks that no classifier has seen are left out: their labels contradict nothing.
    """
    kept = ~np.isin(memory.pending_ids, pool_ids)
    seen = picked.predicted >= 0
    return replace(
        memory,
        pending_ids=np.concatenate([memory.pending_ids[kept], pool_ids[seen]]),
        pending_sources=np.concatenate([memory.pending_sources[kept], picked.sources[seen]]),
        pending_predicted=np.concatenate([memory.pending_predicted[kept], picked.predicted[seen]]),
    )
