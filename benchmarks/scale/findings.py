"""What the measurements come to: times by size, ratios of one run, when the preparation has paid, the bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

GIB = 2**30
_READY_SECONDS, _BUILD_SECONDS, _RESIDENT_GIB = 3.0, 900.0, 8.0
_RESAMPLES = 2000
_RATIO, _RATIO_WITHOUT_SAMPLES, _VS_EXHAUSTIVE, _RECALL = 1.25, 1.5, 500.0, 0.9


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A promise and what was measured."""

    text: str
    bar: str
    measured: str
    held: bool


class Findings:
    """Of a result of the recipe.

    Args:
        result: Its JSON, but for the findings.

    Attributes:
        sizes: {name: N} ascending.
        base: What ratios are to.
        largest: The largest size with samples.
        without: Sizes without samples.
    """

    def __init__(self, result: Mapping[str, Any]) -> None:
        self._result = result
        self.sizes: dict[str, int] = result["parameters"]["sizes"]
        self.base: str = result["parameters"]["base"]
        built = result["built"]
        self.with_samples = [name for name in self.sizes if built[name]["has_samples"]]
        self.without = [name for name in self.sizes if not built[name]["has_samples"]]
        self.largest = self.with_samples[-1]

    def group(self, name: str) -> Mapping[str, Any]:
        """Return what was measured of every size in one run: "with_samples", or of a size without and the base."""
        sizes: Mapping[str, Any] = self._result["turns"][name]["sizes"]
        return sizes

    def group_of(self, name: str) -> Mapping[str, Any]:
        """Return a size's own measurements."""
        mine: Mapping[str, Any] = self.group("with_samples" if name in self.with_samples else name)[name]
        return mine

    def milliseconds(
        self, group: str, name: str, call: str, percentile: float = 50, *, first: bool = False
    ) -> float:
        """Return a percentile of the time of a round at the client: of second and later ones, or of first ones."""
        rounds = self._rounds(group, name, call, first=first)
        return 1000 * float(np.percentile([each["seconds"] for each in rounds], percentile))

    def count(self, group: str, call: str, *, first: bool = False) -> int:
        """Return of how many rounds, second and later ones or first ones, each size's times are at least."""
        return min(len(self._rounds(group, name, call, first=first)) for name in self.group(group))

    def stages(self, group: str, name: str, call: str) -> dict[str, tuple[float, float]]:
        """Return {stage: (p50, p99)} of later rounds, milliseconds."""
        rounds = self._rounds(group, name, call)
        names = dict.fromkeys(stage for each in rounds for stage in each["stages"])
        values = {stage: [1000 * each["stages"].get(stage, 0.0) for each in rounds] for stage in names}
        return {
            stage: (float(np.percentile(each, 50)), float(np.percentile(each, 99)))
            for stage, each in values.items()
        }

    def mean(self, group: str, name: str, call: str, what: str) -> float:
        """Return the mean of a number over later rounds; NaN where it is not known."""
        values = [each.get(what) for each in self._rounds(group, name, call)]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else math.nan

    def capture(self, group: str, name: str, call: str) -> float:
        """Return the mean capture over all rounds that have an exhaustive one beside them; NaN for none."""
        rounds = [
            *self._rounds(group, name, call, first=True),
            *self._rounds(group, name, call),
        ]
        known = [each["capture"] for each in rounds if each.get("capture") is not None]
        return float(np.mean(known)) if known else math.nan

    def ratio(self, group: str, name: str, call: str) -> float:
        """Return the p50 of a size over that of the base, of one run."""
        return self.milliseconds(group, name, call) / self.milliseconds(group, self.base, call)

    def ratio_interval(self, group: str, name: str, call: str) -> tuple[float, float]:
        """Return the 5th and 95th percentile of that ratio when rounds are drawn anew with replacement."""
        rng = np.random.default_rng(0)
        drawn = []
        for each in (name, self.base):
            seconds = np.array([record["seconds"] for record in self._rounds(group, each, call)])
            rows = rng.integers(len(seconds), size=(_RESAMPLES, len(seconds)))
            drawn.append(np.median(seconds[rows], axis=1))
        low, high = np.percentile(drawn[0] / drawn[1], (5, 95))
        return float(low), float(high)

    def exhaustive_seconds(self, name: str) -> float:
        """Return the time to score a whole pool with samples: measured, or a slice's extrapolated."""
        mine = self.group("with_samples")[name]
        seconds = float(np.median(mine["exhaustive_seconds"]))
        return seconds * self.sizes[name] / float(mine["exhaustive_samples"])

    def slope(self, call: str) -> float:
        """Return the exponent of N in the time of a round, fitted from the base on; NaN for one size."""
        names = self.with_samples[self.with_samples.index(self.base) :]
        if len(names) < 2:
            return math.nan
        seconds = [self.milliseconds("with_samples", name, call) for name in names]
        return float(np.polyfit(np.log([self.sizes[name] for name in names]), np.log(seconds), 1)[0])

    def indexing_seconds(self, name: str) -> float:
        """Return the time of a build after encoding."""
        parts = self._result["built"][name]["build_seconds"]
        return float(sum(seconds for part, seconds in parts.items() if part != "encode"))

    def preparation_seconds(self, name: str) -> float:
        """Return the time to train the bundle, as far as its manifest tells, to encode and to index."""
        training = self._result["parameters"]["training"]["seconds"] or 0.0
        return float(
            training + self._result["built"][name]["build_seconds"]["encode"] + self.indexing_seconds(name)
        )

    def rounds_until_worth(self, name: str) -> float:
        """Return after how many rounds preparation and rounds took less than exhaustive scoring; infinity if never."""
        saved = self.exhaustive_seconds(name) - self.milliseconds("with_samples", name, "select") / 1000
        return self.preparation_seconds(name) / saved if saved > 0 else math.inf

    def resident_gib(self, name: str) -> float:
        """Return what server and workers had resident after all rounds, pages of files included."""
        memory = self.group_of(name)["memory"]["end"]
        return float((memory["server"]["resident"] + memory["workers"]["resident"]) / GIB)

    def recall_min(self) -> float:
        """Return the least recall@10 of any size on encoded synthetic samples."""
        return min(float(each["recall_at_10"]) for each in self._result["built"].values())

    def vs_exhaustive(self) -> float:
        """Return how many times faster a round is than exhaustive scoring, at the largest size with samples."""
        return (
            self.exhaustive_seconds(self.largest)
            * 1000
            / self.milliseconds("with_samples", self.largest, "select")
        )

    def bars(self) -> list[Bar]:
        """Return the promises that these sizes allow to look at."""
        bars = []
        if self.largest != self.base:
            ratio = self.ratio("with_samples", self.largest, "select")
            bars.append(_at_most(f"p50 of a round at {self.largest} over that at {self.base}", ratio, _RATIO))
        for name in self.without:
            bars.append(
                _at_most(
                    f"p50 of ProposeSamples and its commit at {name} over that at {self.base}",
                    self.ratio(name, name, "propose"),
                    _RATIO_WITHOUT_SAMPLES,
                )
            )
        bars.append(
            _at_least("recall@10 on synthetic queries, the least of all sizes", self.recall_min(), _RECALL)
        )
        for name in self.without:
            bars.append(_at_most(f"resident at {name}, GiB", self.resident_gib(name), _RESIDENT_GIB))
        bars += [
            _at_most(
                f"{self.largest} built after encoding, s", self.indexing_seconds(self.largest), _BUILD_SECONDS
            ),
            _at_most(
                f"ready at {self.largest}, s",
                float(self.group_of(self.largest)["start_seconds"]),
                _READY_SECONDS,
            ),
            _at_least(
                f"a round at {self.largest}, times faster than exhaustive",
                self.vs_exhaustive(),
                _VS_EXHAUSTIVE,
            ),
        ]
        return bars

    def last_line(self) -> dict[str, float]:
        """Return what the recipe's last line says."""
        values = {}
        if self.largest != self.base:
            values[f"ratio_{self.largest}_{self.base}"] = self.ratio("with_samples", self.largest, "select")
        for name in self.without:
            values[f"ratio_{name}_{self.base}"] = self.ratio(name, name, "propose")
        values[f"vs_exhaustive_{self.largest}"] = self.vs_exhaustive()
        values["recall_min"] = self.recall_min()
        for name in self.without:
            values[f"rss_gib_{name}"] = self.resident_gib(name)
        return values

    def told(self) -> dict[str, Any]:
        """Return what belongs into the JSON beside the measurements."""
        return {
            **self.last_line(),
            "slope": {call: self.slope(call) for call in ("select", "plain")}
            if self.largest != self.base
            else {},
            "exhaustive_seconds": {name: self.exhaustive_seconds(name) for name in self.with_samples},
            "rounds_until_worth": {
                name: worth
                for name in self.with_samples
                if math.isfinite(worth := self.rounds_until_worth(name))
            },
            "bars": {
                bar.text: {"bar": bar.bar, "measured": bar.measured, "held": bar.held} for bar in self.bars()
            },
        }

    def _rounds(
        self, group: str, name: str, call: str, *, first: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        records = self.group(group)[name]["calls"][call]
        return [each for each in records if (each["round"] == 0) == first]


def _at_most(text: str, value: float, limit: float) -> Bar:
    return Bar(text=text, bar=f"≤ {limit:g}", measured=f"{value:.3g}", held=value <= limit)


def _at_least(text: str, value: float, limit: float) -> Bar:
    return Bar(text=text, bar=f"≥ {limit:g}", measured=f"{value:.4g}", held=value >= limit)
