"""Numbers from the pools' results: `POOL.json` as the recipe writes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.label_efficiency.ratios import LabelRatio, geometric_mean, label_ratio
from benchmarks.label_efficiency.strategies import (
    EXHAUSTIVE,
    OURS,
    RANDOM,
    SUBSET,
    SUBSET_BALANCED,
    SUBSET_MARGIN,
)

Result = Mapping[str, Any]  # one pool's


def summarize_records(
    records: Mapping[int, Mapping[str, Any]], rare: Sequence[int], initial_counts: Mapping[int, Sequence[int]]
) -> dict[str, Any]:
    """Return a strategy's part of a pool's result.

    Args:
        records: What `run_campaign` returned, by seed.
        rare: The pool's rare classes.
        initial_counts: Initial labels of each class [C], by seed.
    """
    first = next(iter(records.values()))
    rounds = [each for record in records.values() for each in record["rounds"]]
    seconds = {
        name: float(np.mean([each["seconds"][name] for each in rounds])) for name in rounds[0]["seconds"]
    }
    return {
        "seeds": list(records),
        "labels": first["labels"],
        "balanced_accuracy": [_rounded(record["balanced_accuracy"]) for record in records.values()],
        "accuracy": [_rounded(record["accuracy"]) for record in records.values()],
        "rare_found": [_rare_found(record, rare) for record in records.values()],
        "rare_initial": [sum(initial_counts[seed][c] for c in rare) for seed in records],
        "scored_a_round": float(np.mean([each["scored"] for each in rounds])),
        "seconds_a_round": {name: round(value, 4) for name, value in seconds.items()},
        "sources": _sources(rounds),
        "capture_estimate": _mean_of(each["diagnosis"]["capture"] for each in rounds),
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 5) for value in values]


def _rare_found(record: Mapping[str, Any], rare: Sequence[int]) -> list[int]:
    """Return the rare samples that selection has found, at each label count [P], the initial ones left out."""
    found = [sum(each["label_counts"][c] for c in rare) for each in record["rounds"]]
    return [0, *np.cumsum(found).tolist()]


def _sources(rounds: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return by source: mean share and yield of the rounds that asked it, and what it scored and gave a round."""
    reports: dict[str, list[Mapping[str, Any]]] = {}
    for each in rounds:
        for report in each["diagnosis"]["sources"]:
            reports.setdefault(str(report["source"]), []).append(report)
    made = {}
    for source, given in reports.items():
        yields = [value for each in given if (value := each["yield_"]) is not None]
        made[source] = {
            "share": round(float(np.mean([each["share"] for each in given])), 4),
            "scored_a_round": round(sum(each["scored"] for each in given) / len(rounds), 2),
            "picked_a_round": round(sum(each["picked"] for each in given) / len(rounds), 2),
            **({"yield": round(float(np.mean(yields)), 4)} if yields else {}),
        }
    return made


def _mean_of(captures: Any) -> float | None:
    values = [each["value"] for each in captures if each]
    return round(float(np.mean(values)), 4) if values else None


def over_rounds(entry: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the balanced accuracy averaged over the rounds, a value a seed [S]: the area under the curve."""
    values: NDArray[np.float64] = np.array(entry["balanced_accuracy"]).mean(1)
    return values


def paired(result: Result, ours: str, theirs: str) -> tuple[list[int], list[int]] | None:
    """Return the rows of the seeds both have run, in ours and in theirs; None where none or either is missing."""
    entries = [result["strategies"].get(name) for name in (ours, theirs)]
    if None in entries:
        return None
    shared = [seed for seed in entries[0]["seeds"] if seed in entries[1]["seeds"]]
    if not shared or entries[0]["labels"] != entries[1]["labels"]:
        return None
    return (
        [entries[0]["seeds"].index(seed) for seed in shared],
        [entries[1]["seeds"].index(seed) for seed in shared],
    )


def ratio(result: Result, ours: str, theirs: str) -> LabelRatio | None:
    """Return the ratio of labels needed on one pool; None where a strategy was not run."""
    rows = paired(result, ours, theirs)
    if rows is None:
        return None
    a, b = result["strategies"][ours], result["strategies"][theirs]
    return label_ratio(
        a["labels"], np.array(a["balanced_accuracy"])[rows[0]], np.array(b["balanced_accuracy"])[rows[1]]
    )


def p_value(result: Result, ours: str, theirs: str) -> float | None:
    """Return that of a paired t-test over the seeds on the mean over rounds; None with fewer than two seeds."""
    from scipy.stats import ttest_rel

    rows = paired(result, ours, theirs)
    if rows is None or len(rows[0]) < 2 or ours == theirs:
        return None
    a, b = (
        over_rounds(result["strategies"][name])[each] for name, each in zip((ours, theirs), rows, strict=True)
    )
    if np.ptp(a - b) == 0:
        return None
    return float(ttest_rel(a, b).pvalue)


def better_subset(result: Result) -> str | None:
    """Return the best of the equal-budget subsets by its mean over rounds; None where none was run."""
    run = [name for name in (SUBSET, SUBSET_BALANCED, SUBSET_MARGIN) if name in result["strategies"]]
    return max(run, key=lambda name: over_rounds(result["strategies"][name]).mean(), default=None)


def rare_found_ratio(result: Result, ours: str, theirs: str) -> float | None:
    """Return rare samples found by ours per one found by theirs, at the end; None on a balanced pool."""
    rows = paired(result, ours, theirs)
    if rows is None or not result["pool"]["rare"]:
        return None
    a, b = (
        np.array(result["strategies"][name]["rare_found"])[each, -1].mean()
        for name, each in zip((ours, theirs), rows, strict=True)
    )
    return float(a / b) if b else None


def closing_values(results: Sequence[Result], ours: str = OURS) -> dict[str, float]:
    """Return the last line's ratios: geometric means over the pools that have both strategies, NaN over none."""
    kinds = {
        "balanced": [each for each in results if not each["pool"]["rare"]],
        "rare": [each for each in results if each["pool"]["rare"]],
    }

    def mean(pools: Sequence[Result], theirs: str) -> float:
        found = [made.value for each in pools if (made := ratio(each, ours, theirs)) is not None]
        return geometric_mean(found)

    values = {
        f"{kind}_vs_{short}": mean(pools, theirs)
        for short, theirs in (("subset", SUBSET), ("exhaustive", EXHAUSTIVE))
        for kind, pools in kinds.items()
    }
    return {**values, "vs_random": mean(results, RANDOM)}


def finite(value: float | None) -> float | None:
    """Return a number that JSON has, None for what it has not."""
    return None if value is None or not math.isfinite(value) else value
