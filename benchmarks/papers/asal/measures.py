"""What ASAL's claims are measured by; all accuracies are paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.papers.asal.protocol import KINDS
from benchmarks.papers.claims import Finding, ordering
from benchmarks.papers.paper import Record
from benchmarks.papers.records import NotRunError, Results, compare, over_rounds

TWO, TEN = "mnist-two", "mnist-ten"
RANDOM, EXHAUSTIVE, SUPERVISED = "random-entropy", "exhaustive-entropy", "supervised-entropy"
ABOVE = "test accuracy averaged over the rounds, every version above in every seed"


def asal(generator: str, loss: str = "entropy") -> list[str]:
    """Return the names of ASAL's three versions."""
    return [f"asal-{features}-{generator}-{loss}" for features in KINDS]


def mean_entropy(record: Record) -> float:
    """Return the mean entropy of what was added, over the rounds, nats."""
    return float(np.mean(record["entropy"]))


def transfer(record: Record) -> float:
    """Return the accuracy on USPS averaged over the rounds after the first, %."""
    return float(100 * np.mean(record["transfer"]["usps"][1:]))


def transfer_at_the_end(record: Record) -> float:
    """Return the accuracy on USPS at the last round, %."""
    return float(100 * record["transfer"]["usps"][-1])


def share_of(number: int) -> Callable[[Record], float]:
    """Return what measures a class's share of the labels at the end, %."""
    return lambda record: float(100 * record["label_shares"][-1][number])


def all_above(
    setting: str,
    ours: Sequence[str],
    theirs: Sequence[str],
    measure: Callable[[Record], float] = over_rounds,
    *,
    unit: str = "points",
) -> Callable[[Results], Finding]:
    """Return the check that each of ours is above each of theirs, in every seed."""

    def check(results: Results) -> Finding:
        return ordering(
            [compare(results, setting, a, b, measure=measure, unit=unit) for a in ours for b in theirs]
        )

    return check


def level(
    setting: str,
    ours: Sequence[str],
    theirs: str,
    *,
    least: float,
    most: float,
    measure: Callable[[Record], float] = over_rounds,
) -> Callable[[Results], Finding]:
    """Return the check that each of ours differs from theirs by `least` to `most` points, on average over the seeds."""

    def check(results: Results) -> Finding:
        pairs = [compare(results, setting, each, theirs, measure=measure) for each in ours]
        return Finding(
            ours="; ".join(each.describe() for each in pairs),
            holds=all(least <= each.mean <= most for each in pairs),
            why=f"level means {least:+.1f} to {most:+.1f} points on average",
        )

    return check


def at_the_end(record: Record) -> float:
    """Return the test accuracy of the last round, %."""
    return float(100 * record["accuracy"][-1])


def early_entropy(record: Record) -> float:
    """Return the mean entropy of what was added in the first five rounds, nats."""
    return float(np.mean(record["entropy"][:5]))


def elsewhere(where: str) -> Callable[[Results], Finding]:
    """Return the check of a claim that this recipe does not measure."""

    def check(results: Results) -> Finding:
        raise NotRunError(where)

    return check
