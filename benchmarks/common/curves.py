"""Numbers pooled over the seeds of a strategy, from the records `run_campaign` made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Records = Mapping[str, Sequence[Mapping[str, Any]]]  # strategy -> one record a seed


def labels_of(records: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the label counts [P] at which a strategy's classifiers were tested."""
    labels: list[int] = list(records[0]["labels"])
    return labels


def accuracies(records: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Return test accuracies [S, P], a row a seed."""
    return np.array([record["accuracy"] for record in records])


def accuracy_at(records: Sequence[Mapping[str, Any]], labels: int) -> tuple[float, float] | None:
    """Return mean and standard deviation over the seeds at a label count; None where it was not reached."""
    if labels not in records[0]["labels"]:
        return None
    values = accuracies(records)[:, labels_of(records).index(labels)]
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def mean_curve_accuracy(records: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return mean and standard deviation, over the seeds, of the accuracy averaged over all rounds."""
    values = accuracies(records).mean(1)
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0


def labels_to_reach(records: Sequence[Mapping[str, Any]], target: float) -> int | None:
    """Return the first label count at which the mean accuracy is at least `target`; None if it never is."""
    mean = accuracies(records).mean(0)
    reached = np.flatnonzero(mean >= target)
    return labels_of(records)[int(reached[0])] if len(reached) else None


def pick_entropies(records: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Return the mean entropy of each round's picks, nats [S, R]."""
    return np.array([[np.mean(each["entropy"]) for each in record["rounds"]] for record in records])


def label_shares(records: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Return the share of each class among everything picked, mean over the seeds [C]."""
    counts = np.array([[each["label_counts"] for each in record["rounds"]] for record in records]).sum(
        1
    )  # [S, C]
    shares: NDArray[np.float64] = (counts / counts.sum(1, keepdims=True)).mean(0)
    return shares


def median_seconds(records: Sequence[Mapping[str, Any]], what: str) -> float:
    """Return the median over all rounds of one of the client's timings, for example "select"."""
    return float(np.median([each["seconds"][what] for record in records for each in record["rounds"]]))


def mean_seconds(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean over all rounds of each of the client's timings."""
    rounds = [each["seconds"] for record in records for each in record["rounds"]]
    return {name: float(np.mean([each[name] for each in rounds])) for name in rounds[0]}


def mean_stages(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean seconds of each stage of a selection, as the server reported them."""
    rounds = [each["stages"] for record in records for each in record["rounds"]]
    names = dict.fromkeys(name for each in rounds for name in each)
    return {
        name: float(np.mean([each[name]["seconds"] if name in each else 0.0 for each in rounds]))
        for name in names
    }


def mean_of(records: Sequence[Mapping[str, Any]], what: str) -> float | None:
    """Return the mean over all rounds of "scored", "visited" or "match_gap"; None where no round has it."""
    values = [each[what] for record in records for each in record["rounds"] if each[what] is not None]
    return float(np.mean(values)) if values else None


def summarize(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a strategy's JSON entry starts with."""
    entropies = pick_entropies(records)
    mean, spread = mean_curve_accuracy(records)
    return {
        "labels": labels_of(records),
        "accuracy_mean": accuracies(records).mean(0).round(5).tolist(),
        "accuracy_std": (
            accuracies(records).std(0, ddof=1) if len(records) > 1 else accuracies(records)[0] * 0
        )
        .round(5)
        .tolist(),
        "mean_accuracy_over_rounds": [round(mean, 5), round(spread, 5)],
        "labels_to_95_percent": labels_to_reach(records, 0.95),
        "entropy_of_picks_nats": entropies.mean(0).round(5).tolist(),
        "label_shares": label_shares(records).round(5).tolist(),
        "scored_a_round": mean_of(records, "scored"),
        "visited_a_round": mean_of(records, "visited"),
        "match_gap_nats": mean_of(records, "match_gap"),
        "seconds_a_round": mean_seconds(records),
        "median_select_seconds": median_seconds(records, "select"),
        "stage_seconds": mean_stages(records),
    }
