"""The searches that are compared, all with the top scores as the batch."""

from __future__ import annotations

from benchmarks.common.strategies import StrategySpec

SEARCH, SUBSET, PLAIN, EXHAUSTIVE = "search", "subset", "plain", "exhaustive"


def _search(text: str, **shares: float) -> StrategySpec:
    return StrategySpec(kind="dowser", text=text, rule="top", shares=shares)


#: One selection each, whatever the bound.
UNBOUNDED = {
    "random": StrategySpec(kind="random", text="random"),
    PLAIN: StrategySpec(kind="dowser", text="plain ASAL: nearest matches, unscored", scored=False),
    EXHAUSTIVE: StrategySpec(kind="exhaustive", text="exhaustive, through the server", rule="top"),
}

#: At each number of samples scored.
BOUNDED = {
    SUBSET: StrategySpec(kind="subset", text="random subset", rule="top"),
    "synthesis": _search("synthesis alone", synthesis=1.0),
    "labeled_neighbors": _search("neighbors of labeled samples alone", labeled_neighbors=1.0),
    "class_anchors": _search("class anchors alone", class_anchors=1.0),
    "carry_over": _search("carry-over and random, halves", carry_over=0.5, random=0.5),
    "surrogate": _search("surrogate, from a random quarter", surrogate=0.75, random=0.25),
    "random-climb": _search("climb from a random tenth", climb=0.9, random=0.1),
    "synthesis-climb": _search("climb from a quarter of synthesis", climb=0.75, synthesis=0.25),
    # The search for high scores, where asked for: the best of these configurations.
    SEARCH: _search("the search: climb from carry-over and random", climb=0.7, carry_over=0.2, random=0.1),
}
