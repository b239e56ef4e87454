"""How the scoring budget of a round is shared among the sources.

Fixed shares do as they are told. The adaptive policy starts from what is known of every campaign (random draws are a
strong rival on balanced pools, neighbors of labeled samples find what is rare) and then follows the evidence of the
campaign itself (``evidence``): a source whose scored samples are worth more than random ones gets more, one whose are
worth less falls to a trickle that keeps the evidence coming, and random draws never get less than their floor. Nothing
in it is random: the same labels and memory give the same shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from query_server.selection.board import NUMBER_OF
from query_server.selection.evidence import LabeledSet, yields
from query_server.selection.memory import Memory
from query_server.selection.values import Source

# What the adaptive policy chooses from besides random draws, and their parts before there is evidence.
_PRIOR = {Source.LABELED_NEIGHBORS: 0.25, Source.SYNTHESIS: 0.15, Source.CARRY_OVER: 0.10}
# The part a source keeps while it is worth less than random draws.
_TRICKLE = 0.05
# Below this many scored samples the evidence on a source is no reason to change its part.
_ENOUGH_SCORED = 100.0
# Synthesis costs time besides scores: while it does not earn its keep it is asked only once in so many rounds.
_SYNTHESIS_REST = 5


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """The parts of the scoring budget, and why.

    Attributes:
        shares: By source, of sum 1.
        reasons: One sentence each.
    """

    shares: Mapping[Source, float]
    reasons: tuple[str, ...] = ()

    def counts(self, scored: int) -> dict[Source, int]:
        """Divide ``scored`` samples by the shares; what rounding leaves goes to the largest remainders."""
        exact = {source: share * scored for source, share in self.shares.items()}
        counts = {source: int(value) for source, value in exact.items()}
        by_remainder = sorted(exact, key=lambda source: counts[source] - exact[source])
        for source in by_remainder[: scored - sum(counts.values())]:
            counts[source] += 1
        return counts


def fixed(shares: Mapping[Source, float]) -> Allocation:
    """Share as the request says."""
    total = sum(shares.values())
    return Allocation(shares={source: share / total for source, share in shares.items() if share > 0})


def adaptive(memory: Memory, labeled: LabeledSet, *, random_floor: float, round_number: int) -> Allocation:
    """Share by evidence.

    Args:
        memory: The campaign's, settled.
        labeled: Its labels.
        random_floor: Least share of random draws.
        round_number: From 1.
    """
    worth = yields(memory)
    reasons = [_describe_labels(labeled)]
    weights: dict[Source, float] = {}
    for source, prior in _PRIOR.items():
        if source is Source.LABELED_NEIGHBORS and not len(labeled.rows):
            reasons.append("labeled_neighbors wait for the first labels")
            continue
        if source is Source.CARRY_OVER and not len(memory.carried_ids):
            continue
        number = NUMBER_OF[source]
        if memory.scored[number] < _ENOUGH_SCORED:
            weights[source] = prior
            reasons.append(f"{source} gets its first share: {memory.scored[number]:.0f} scored so far")
            continue
        yield_ = float(worth[number])
        weights[source] = prior * max(_TRICKLE, min(4.0, yield_**2 if yield_ > 1 else 0.0))
        verdict = "more" if yield_ > 1 else "less"
        reasons.append(f"a scored sample of {source} is worth {yield_:.2f} random ones: {verdict} for it")
        if source is Source.SYNTHESIS and yield_ <= 1 and round_number % _SYNTHESIS_REST:
            weights[source] = 0.0
            reasons.append(f"synthesis rests, and is tried every {_SYNTHESIS_REST} rounds")
    total = sum(weights.values())
    room = 1.0 - random_floor
    scale = 1.0 if total <= room else room / total
    shares = {source: weight * scale for source, weight in weights.items() if weight > 0}
    shares[Source.RANDOM] = 1.0 - sum(shares.values())
    return Allocation(shares=shares, reasons=tuple(reasons))


def _describe_labels(labeled: LabeledSet) -> str:
    counts = labeled.counts()
    if not len(labeled.rows):
        return "no labels yet"
    rare = np.flatnonzero(counts < counts.mean() / 2)
    if not len(rare):
        return f"labels are balanced: {counts.min()} to {counts.max()} a class"
    named = ", ".join(str(each) for each in rare[:10])
    return f"classes with less than half the mean of {counts.mean():.1f} labels: {named}"
