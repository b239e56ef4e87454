"""The recipe's report, made from the results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.markdown import NONE, mean_and_spread, table
from benchmarks.ground.trials import NEIGHBORS, SUBSET

PoolResult = Mapping[str, Any]


def over_rounds(pool: PoolResult, trial: str) -> NDArray[np.float64]:
    """Return the mean balanced accuracy over the rounds of each seed [S]."""
    mean: NDArray[np.float64] = np.array(pool["campaigns"][trial]["balanced_accuracy"]).mean(1)
    return mean


def mean_capture(pool: PoolResult, search: str) -> float:
    """Return the mean capture of a search over classifiers and seeds."""
    return float(np.mean(pool["captures"][search]["capture"]))


def verdict(pool: PoolResult, trial: str, rival: str) -> str:
    """Say whether a trial is above or below another by more than the larger of their standard deviations.

    One seed says nothing.
    """
    ours, theirs = over_rounds(pool, trial), over_rounds(pool, rival)
    if len(ours) < 2:
        return NONE
    gain = float(ours.mean() - theirs.mean())
    spread = max(float(ours.std(ddof=1)), float(theirs.std(ddof=1)))
    word = "level" if abs(gain) <= spread else "better" if gain > 0 else "worse"
    return f"{word} ({100 * gain:+.1f})"


def render_report(result: Mapping[str, Any], pools: Mapping[str, PoolResult]) -> str:
    """Return the report as Markdown."""
    parts = [
        "# Better ground: what was tried",
        "Campaigns: balanced accuracy in %, mean over the rounds ± standard deviation over the seeds; better or worse "
        "means by more than the larger standard deviation of the two. All but the subset's top use the "
        "class-balanced rule. Searches: mean of the best batch scored divided by that of the whole pool's, on "
        "classifiers of labels drawn at random, mean ± standard deviation over classifiers and seeds. Task-aware "
        f"features are remade every third round of the round before's embedding. {result['seeds']} seed(s), "
        f"{result['hardware']['cpu']}, one thread, {result['time']}.",
    ]
    for name, pool in pools.items():
        sizes = pool["parameters"]
        parts += [
            f"## {name}",
            f"{pool['text']}: {sizes['size']:,} samples, {sizes['initial']} to {sizes['max_labels']} labels by "
            f"{sizes['budget']}, {sizes['max_scored']} scored a round.",
            _campaigns(pool),
            table(
                ["search", "capture"],
                [
                    [each["text"], mean_and_spread(np.array(each["capture"]), 3)]
                    for each in pool["captures"].values()
                ],
            ),
        ]
    return "\n\n".join(parts) + "\n"


def _campaigns(pool: PoolResult) -> str:
    rows = []
    for trial, entry in pool["campaigns"].items():
        rare = f"{np.mean(entry['rare_found']):.0f}" if pool["parameters"]["rare"] else NONE
        accuracy = 100 * over_rounds(pool, trial)
        last = 100 * np.mean([each[-1] for each in entry["balanced_accuracy"]])
        against = [NONE if trial == rival else verdict(pool, trial, rival) for rival in (SUBSET, NEIGHBORS)]
        rows.append([entry["text"], mean_and_spread(accuracy, 1), f"{last:.1f}", rare, *against])
    return table(
        ["campaign", "mean over rounds", "last round", "rare found", "against subset", "against neighbors"],
        rows,
    )
