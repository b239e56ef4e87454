"""The finished units of a preset, and comparisons of strategies within them, paired by seed.

Strategies of one seed share initial labels and first weights, so their difference within a seed says more than the
difference of two means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.papers.paper import Preset, Record

Runs = Mapping[int, Record]  # seed -> record

LEAST_SEEDS = 3


class NotRunError(Exception):
    """A claim cannot be judged yet; the message says what is missing."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that is finished.

    Attributes:
        preset: what was asked for.
        finished: records by setting, strategy and seed, in the preset's order; strategies without any are left out.
    """

    preset: Preset
    finished: Mapping[str, Mapping[str, Runs]]

    def runs(self, setting: str, strategy: str) -> Runs:
        """Return the records of a strategy by seed, all seeds of the setting.

        Raises:
            NotRunError: Some are missing, or there are too few to judge by.
        """
        wanted = self.preset.setting(setting)
        if wanted is None:
            raise NotRunError(f"setting {setting} is not in this preset")
        if strategy not in wanted.strategies:
            raise NotRunError(f"{strategy} is not run in {setting} in this preset")
        found = self.finished.get(setting, {}).get(strategy, {})
        least = max(LEAST_SEEDS, len(wanted.seeds))
        if len(found) < least:
            raise NotRunError(f"{len(found)} of {least} seeds of {strategy} in {setting} are finished")
        return found


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One strategy beside another.

    Attributes:
        ours: name of the one said to be higher.
        theirs: of the other.
        differences: ours minus theirs, one a seed.
        unit: of the differences.
    """

    ours: str
    theirs: str
    differences: tuple[float, ...]
    unit: str

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.differences))

    @property
    def wins(self) -> int:
        """Seeds in which ours is higher."""
        return sum(each > 0 for each in self.differences)

    @property
    def holds(self) -> bool:
        """Whether ours is higher in every seed: by chance alone, 1 in 8 with three seeds, 1 in 32 with five."""
        return self.wins == len(self.differences)

    def describe(self) -> str:
        """Say how it went, no stronger than the seeds allow."""
        spread = f" ± {np.std(self.differences, ddof=1):.2f}" if len(self.differences) > 1 else ""
        return (
            f"{self.ours} against {self.theirs}: {self.mean:+.2f}{spread} {self.unit}, higher in {self.wins} of "
            f"{len(self.differences)} seeds"
        )


def over_rounds(record: Record) -> float:
    """Return the test accuracy averaged over the rounds after the shared start, %."""
    return float(100 * np.mean(record["accuracy"][1:]))


def compare(
    results: Results,
    setting: str,
    ours: str,
    theirs: str,
    *,
    measure: Callable[[Record], float] = over_rounds,
    unit: str = "points",
) -> Comparison:
    """Compare two strategies of a setting seed by seed.

    Raises:
        NotRunError: One of them is not finished.
    """
    a, b = results.runs(setting, ours), results.runs(setting, theirs)
    return Comparison(
        ours=ours,
        theirs=theirs,
        differences=tuple(measure(a[seed]) - measure(b[seed]) for seed in a if seed in b),
        unit=unit,
    )
