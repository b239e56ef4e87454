"""How the scoring budget of a round is shared among the sources.

Fixed shares do as they are told. The adaptive policy starts from what holds of campaigns in general: on balanced pools
nothing beats the best of random draws, and where classes are rare, neighbors of their labeled samples find more of
them. Then it follows the evidence of the campaign itself (``evidence``): a source whose picks are worth more than
random ones gets up to all that the random floor leaves, one whose picks are worth less falls to a trickle that keeps
the evidence coming. Nothing in it is random: the same labels and memory give the same shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from query_server.selection.board import NUMBER_OF
from query_server.selection.evidence import LabeledSet, yields
from query_server.selection.memory import Memory
from query_server.selection.values import Source

# A source gets nothing but the trickle up to the first yield, and its full part from the second on. Synthesis takes as
# long as scoring thousands of samples, so that being worth what a random draw is does not pay for it.
_YIELDS = {Source.LABELED_NEIGHBORS: (0.9, 1.1), Source.SYNTHESIS: (1.1, 1.4)}
_TRICKLE = 0.05
# What neighbors of labeled samples are thought to be worth where no class is rare, and where some clearly are.
_NEIGHBORS_BALANCED, _NEIGHBORS_RARE = 0.8, 1.4
# The overdispersion of label counts from which some class counts as clearly rare.
_CLEARLY_RARE = 0.25
# Synthesis is tried with this part until so many of its picks have labels, in the first rounds.
_SYNTHESIS_TRIAL, _ENOUGH_PICKS, _TRIAL_ROUNDS = 0.05, 10, 3
# It costs time besides scores: while it does not earn its keep it is asked only once in so many rounds.
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
    if not len(labeled.rows):
        return Allocation(shares={Source.RANDOM: 1.0}, reasons=("no labels yet: random draws alone",))
    worth = yields(memory, priors(labeled))
    reasons = [_describe(labeled)]
    weights: dict[Source, float] = {}
    for source, yield_ in worth.items():
        picks = int(memory.labeled[NUMBER_OF[source]])
        worthless, worthy = _YIELDS[source]
        weight = min(max((yield_ - worthless) / (worthy - worthless), _TRICKLE), 1.0)
        verdict = f"{picks} labeled picks of {source} make one worth {yield_:.2f} random ones"
        if source is Source.SYNTHESIS:
            on_trial = picks < _ENOUGH_PICKS
            if on_trial:
                weight = _SYNTHESIS_TRIAL
                verdict = f"synthesis is on trial, with {picks} labeled picks"
            resting = round_number > _TRIAL_ROUNDS if on_trial else weight == _TRICKLE
            if resting and round_number % _SYNTHESIS_REST:
                weight = 0.0
                verdict += f": it rests, and is tried every {_SYNTHESIS_REST} rounds"
        weights[source] = weight
        reasons.append(verdict)
    room = (1.0 - random_floor) / max(1.0, sum(weights.values()))
    shares = {source: room * weight for source, weight in weights.items() if weight > 0}
    shares[Source.RANDOM] = 1.0 - sum(shares.values())
    return Allocation(shares=shares, reasons=tuple(reasons))


def priors(labeled: LabeledSet) -> dict[Source, float]:
    """Return what a pick of each source the policy chooses from is thought to be worth before there is evidence."""
    rare = min(max(labeled.overdispersion() / _CLEARLY_RARE, 0.0), 1.0)
    return {
        Source.LABELED_NEIGHBORS: _NEIGHBORS_BALANCED + rare * (_NEIGHBORS_RARE - _NEIGHBORS_BALANCED),
        Source.SYNTHESIS: 1.0,
    }


def _describe(labeled: LabeledSet) -> str:
    counts = labeled.counts()
    if labeled.overdispersion() < _CLEARLY_RARE:
        return f"no class is clearly rare: {counts.min()} to {counts.max()} labels a class"
    few = np.argsort(counts, kind="stable")[:5]
    named = ", ".join(f"{each} ({counts[each]})" for each in few)
    return f"classes differ in their labels by more than chance; the fewest have {named}"
