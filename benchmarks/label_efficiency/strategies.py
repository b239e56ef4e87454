"""What is compared: every strategy by name, and the sets they are run in."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.strategies import StrategySpec

OURS, SUBSET, SUBSET_BALANCED, SUBSET_MARGIN, EXHAUSTIVE, RANDOM = (
    "dowser",
    "subset-top",
    "subset-class_balanced",
    "subset-margin",
    "exhaustive-top",
    "random",
)

_RULES = {
    "top": "the highest scores",
    "power": "in proportion to the score",
    "badge": "BADGE",
    "k_center": "k-center",
    "cluster_margin": "cluster-margin",
    "class_balanced": "class-balanced",
}
_UNION = {"synthesis": 0.25, "labeled_neighbors": 0.25, "random": 0.5}
_SYNTHESIS = {"warm_start": 0.5, "early_stop": 0.01, "latent_prior": 0.01, "repulsion": 0.1}
_ACQUISITIONS = ("maximum_entropy", "least_confidence", "minimum_distance")
# The acquisition function of the defaults; the rivals score by entropy, as they are published, but for those named so.
_OURS = "margin"


def _balanced(text: str, **shares: float) -> StrategySpec:
    return StrategySpec(kind="dowser", text=f"{text}, class-balanced", rule="class_balanced", shares=shares)


STRATEGIES: dict[str, StrategySpec] = {
    "random": StrategySpec(kind="random", text="random"),
    **{
        f"subset-{rule}": StrategySpec(kind="subset", text=f"random subset, {text}", rule=rule)
        for rule, text in _RULES.items()
    },
    SUBSET_MARGIN: StrategySpec(
        kind="subset", text="random subset, the smallest margins", rule="top", acquisition="margin"
    ),
    **{
        f"exhaustive-{rule}": StrategySpec(kind="exhaustive", text=f"exhaustive, {_RULES[rule]}", rule=rule)
        for rule in ("top", "power", "badge", "class_balanced")
    },
    "seals": StrategySpec(
        kind="dowser",
        text="SEALS: neighbors of labeled samples, the highest scores",
        rule="top",
        shares={"seals": 1.0},
    ),
    "plain": StrategySpec(kind="dowser", text="plain ASAL: nearest matches, unscored", scored=False),
    "asal": StrategySpec(
        kind="dowser",
        text="ASAL re-scored: synthesis alone, the highest scores",
        rule="top",
        shares={"synthesis": 1.0},
        options={"latents": 50},
    ),
    "source-synthesis": _balanced("synthesis alone", synthesis=1.0),
    "source-labeled_neighbors": _balanced("neighbors of labeled samples alone", labeled_neighbors=1.0),
    "source-class_anchors": _balanced("class anchors alone", class_anchors=1.0),
    "source-carry_over": _balanced("carry-over and random, halves", carry_over=0.5, random=0.5),
    "source-climb": _balanced("climb from a random quarter", climb=0.75, random=0.25),
    "union": _balanced("1/4 synthesis, 1/4 neighbors of labeled, 1/2 random", **_UNION),
    "neighbors-random": _balanced(
        "neighbors of labeled and random, halves", labeled_neighbors=0.5, random=0.5
    ),
    "dowser": StrategySpec(
        kind="dowser", text="Dowser, its defaults: margin, the policy learns the shares", acquisition=_OURS
    ),
    # Parts of the default turned off or exchanged.
    "dowser-no_floor": StrategySpec(
        kind="dowser",
        text="Dowser without a random floor",
        options={"random_floor": 0.0},
        acquisition=_OURS,
    ),
    "dowser-class_prior": StrategySpec(
        kind="dowser",
        text="Dowser, scores weighted by the class prior",
        class_prior_weight=1.0,
        acquisition=_OURS,
    ),
    **{
        f"dowser-{rule}": StrategySpec(
            kind="dowser", text=f"Dowser, {_RULES[rule]}", rule=rule, acquisition=_OURS
        )
        for rule in ("top", "power", "badge", "cluster_margin")
    },
    **{
        f"dowser-{name}": StrategySpec(
            kind="dowser", text=f"Dowser, {name.replace('_', ' ')}", acquisition=name
        )
        for name in _ACQUISITIONS
    },
    **{
        f"asal-{name}": StrategySpec(
            kind="dowser",
            text=f"ASAL re-scored, {name.replace('_', ' ')} {value:g}",
            rule="top",
            shares={"synthesis": 1.0},
            options={"latents": 50, name: value},
        )
        for name, value in _SYNTHESIS.items()
    },
    "synthesis-random": _balanced("synthesis and random, halves", synthesis=0.5, random=0.5),
    "synthesis-neighbors": _balanced(
        "synthesis and neighbors of labeled, halves", synthesis=0.5, labeled_neighbors=0.5
    ),
}

SETS: dict[str, tuple[str, ...]] = {
    "core": (
        *(RANDOM, SUBSET, SUBSET_BALANCED, SUBSET_MARGIN, EXHAUSTIVE, "exhaustive-class_balanced"),
        *("seals", "plain", "asal", "union", "neighbors-random", OURS),
    ),
    "rules": tuple(name for name in STRATEGIES if name.startswith(("subset-", "exhaustive-"))),
    "sources": tuple(name for name in STRATEGIES if name.startswith("source-")),
    "ablation": (
        *(OURS, "union", "neighbors-random", "synthesis-random", "synthesis-neighbors"),
        *(name for name in STRATEGIES if name.startswith(("dowser-", "asal"))),
    ),
    "all": tuple(STRATEGIES),
}


def resolve(names: Sequence[str]) -> list[str]:
    """Return the strategies that names of strategies and of sets stand for, each once.

    Raises:
        BenchmarkError: There is no such name.
    """
    if unknown := [name for name in names if name not in STRATEGIES and name not in SETS]:
        raise BenchmarkError(
            f"no such strategy: {', '.join(unknown)}; there are {', '.join(STRATEGIES)}, "
            f"and the sets {', '.join(SETS)}"
        )
    return list(dict.fromkeys(each for name in names for each in SETS.get(name, (name,))))
