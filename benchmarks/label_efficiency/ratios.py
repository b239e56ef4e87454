"""Labels one strategy needs to learn what another learns, as a ratio: below 1 is better.

Curves are balanced accuracies over labels, the mean over seeds, made monotone by their running maximum (a classifier
that got worse can be left for the round before's). Levels are spread evenly over the rival's gain, and the ratio is the
geometric mean over them of the labels ours needs divided by the labels the rival needs, interpolated linearly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = 10
FIRST_LEVEL = 0.3  # of the rival's gain; below it all strategies still live on the initial labels


@dataclass(frozen=True, kw_only=True)
class LabelRatio:
    """A ratio of labels needed.

    Attributes:
        value: geometric mean over the levels.
        low: one jackknife standard error over the seeds below; equal to `value` with a single seed.
        high: one above.
        unreached: levels that ours never reached and that count with its last label count: where there are any,
            `value` is a lower bound.
        levels: all.
    """

    value: float
    low: float
    high: float
    unreached: int
    levels: int


def labels_needed(labels: Sequence[int], curve: NDArray[np.float64], level: float) -> float | None:
    """Return where a curve [P] over labels [P], made monotone, first is at a level; None where it never is."""
    rising = np.maximum.accumulate(curve)
    reached = np.flatnonzero(rising >= level - 1e-12)
    if not len(reached):
        return None
    at = int(reached[0])
    if at == 0:
        return float(labels[0])
    part = (level - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(labels[at - 1] + part * (labels[at] - labels[at - 1]))


def label_ratio(
    labels: Sequence[int],  # [P], of both
    ours: NDArray[np.float64],  # [S, P]
    theirs: NDArray[np.float64],  # [S, P]; row i has the seed of ours' row i
) -> LabelRatio | None:
    """Return the labels ours needs divided by those theirs needs; None where theirs gains nothing."""
    whole = _ratio(labels, ours.mean(0), theirs.mean(0))
    if whole is None:
        return None
    value, unreached = whole
    error = 0.0
    if len(ours) > 1:
        left_out = [
            _ratio(labels, np.delete(ours, seed, 0).mean(0), np.delete(theirs, seed, 0).mean(0))
            for seed in range(len(ours))
        ]
        logs = np.array([math.log(each[0]) for each in left_out if each is not None])
        error = math.sqrt((len(logs) - 1) * logs.var())
    return LabelRatio(
        value=value,
        low=value * math.exp(-error),
        high=value * math.exp(error),
        unreached=unreached,
        levels=LEVELS,
    )


def _ratio(
    labels: Sequence[int], ours: NDArray[np.float64], theirs: NDArray[np.float64]
) -> tuple[float, int] | None:
    start, end = theirs[0], theirs.max()
    if not end > start:
        return None
    logs, unreached = [], 0
    for level in np.linspace(start + FIRST_LEVEL * (end - start), end, LEVELS):
        needed = labels_needed(labels, ours, level)
        rival = labels_needed(labels, theirs, level)
        assert rival is not None  # the levels are on its curve
        unreached += needed is None
        logs.append(math.log((needed if needed is not None else labels[-1]) / rival))
    return math.exp(float(np.mean(logs))), unreached


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean; NaN of nothing."""
    return math.exp(float(np.mean(np.log(values)))) if values else math.nan
