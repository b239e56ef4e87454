"""What the numbers say about the claims: comparisons of strategies, paired by seed.

Strategies of one seed share initial labels and first weights, so their difference within a seed says more than the
difference of two means.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.common import curves
from benchmarks.common.mnist_bundles import FEATURES


def best_features(records: curves.Records, how: str) -> str:
    """Return the kind of features with the best accuracy averaged over rounds and seeds, of "dowser" or "plain"."""
    return max(FEATURES, key=lambda kind: curves.mean_curve_accuracy(records[f"{how}-{kind}"])[0])


def compare(records: curves.Records, ours: str, theirs: str, labels: Sequence[int]) -> dict[str, Any]:
    """Return the difference in accuracy of two strategies, percentage points.

    Returns:
        `over_rounds`: difference per seed, of the accuracy averaged over the rounds after the first;
        `at`: mean difference at each label count reached; `wins`: seeds in which ours is above over the rounds.
    """
    difference = 100 * (curves.accuracies(records[ours]) - curves.accuracies(records[theirs]))  # [S, P]
    over_rounds = difference[:, 1:].mean(1)  # the first point is the shared start
    reached = curves.labels_of(records[ours])
    return {
        "ours": ours,
        "theirs": theirs,
        "over_rounds": over_rounds.round(3).tolist(),
        "wins": int((over_rounds > 0).sum()),
        "seeds": len(over_rounds),
        "at": {
            str(n): round(float(difference[:, reached.index(n)].mean()), 3) for n in labels if n in reached
        },
    }


def find(records: curves.Records, labels: Sequence[int]) -> dict[str, Any]:
    """Return every comparison the report speaks of, and the entropies of the picks."""
    best, best_plain = best_features(records, "dowser"), best_features(records, "plain")
    pairs = [("exhaustive", "random"), ("subset", "random")]
    pairs += [(f"{how}-{kind}", "random") for kind in FEATURES for how in ("plain", "dowser")]
    pairs += [(f"dowser-{kind}", f"plain-{kind}") for kind in FEATURES]
    pairs += [(f"dowser-{kind}", "subset") for kind in FEATURES]
    pairs += [(f"dowser-{best}", "exhaustive"), ("subset", "exhaustive")]
    entropy = {name: float(curves.pick_entropies(each).mean()) for name, each in records.items()}
    return {
        "best_dowser": f"dowser-{best}",
        "best_plain": f"plain-{best_plain}",
        "comparisons": [compare(records, ours, theirs, labels) for ours, theirs in pairs],
        "entropy_of_picks_nats": {name: round(value, 4) for name, value in entropy.items()},
        "entropy_over_random": {
            name: round(value / max(entropy["random"], 1e-9), 2) for name, value in entropy.items()
        },
        "class_imbalance": {
            # Largest deviation of a class's share from a tenth, percentage points.
            name: round(float(100 * np.abs(curves.label_shares(each) - 0.1).max()), 2)
            for name, each in records.items()
        },
    }


def verdict(comparison: dict[str, Any]) -> str:
    """Say in words how a comparison went, no stronger than its seeds allow."""
    wins, seeds = comparison["wins"], comparison["seeds"]
    values = np.array(comparison["over_rounds"])
    spread = f" ± {values.std(ddof=1):.2f}" if seeds > 1 else ""
    size = f"{values.mean():+.2f}{spread} points over the rounds"
    if seeds == 1:
        return f"{size}, a single seed"
    if wins == seeds:
        return f"above in all {seeds} seeds ({size})"
    if wins == 0:
        return f"below in all {seeds} seeds ({size})"
    return f"not told apart: above in {wins} of {seeds} seeds ({size})"
