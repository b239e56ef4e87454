"""What a paper's package says of itself: presets, settings, strategies, how to run one, and its claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.papers.claims import Claim
    from benchmarks.papers.records import Results

Record = dict[str, Any]
"""What one strategy did from one seed, as plain JSON values. `labels` and `accuracy` [P] are what the curves show: test
accuracy in [0, 1] of the classifier trained on so many labels. `rounds` is kept with the unit and not committed; the
rest is the paper's own."""

Resources = Mapping[str, Any]
"""What the units of a setting share, for example the addresses of servers; it is sent to every process."""


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """One way in which a preset does less than the paper, or other than it says.

    Attributes:
        what: is reduced, for example "GAN training".
        paper: what the paper does.
        ours: what the preset does.
        why: in a few words.
    """

    what: str
    paper: str
    ours: str
    why: str


@dataclass(frozen=True, kw_only=True)
class PaperStrategy:
    """One strategy of a setting.

    Attributes:
        text: for the report.
        parameters: plain JSON values that decide about its result, beside the setting's.
    """

    text: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One experiment: a data set, a classifier, a protocol, and the strategies that are compared in it.

    Attributes:
        name: in file names and on the command line.
        text: for the report.
        parameters: plain JSON values that decide about all its results; a unit made with others is run anew.
        strategies: by name, the most important first: that is the order they are run in.
        seeds: of initial labels and first weights, shared by all strategies.
        rounds: ticks of one unit, for the progress bar.
    """

    name: str
    text: str
    parameters: Mapping[str, Any]
    strategies: Mapping[str, PaperStrategy]
    seeds: Sequence[int]
    rounds: int

    def units(self) -> list[Unit]:
        """Return all units, every seed of a strategy before the next strategy."""
        return [
            Unit(setting=self, strategy=name, seed=seed) for name in self.strategies for seed in self.seeds
        ]


def make_setting(
    name: str,
    text: str,
    strategies: Mapping[str, PaperStrategy],
    *,
    rounds: int,
    seeds: int = 3,
    **parameters: Any,
) -> Setting:
    """Return a setting of the seeds 0, 1, …, whose rounds are one of its parameters."""
    return Setting(
        name=name,
        text=text,
        parameters={**parameters, "rounds": rounds},
        strategies=strategies,
        seeds=range(seeds),
        rounds=rounds,
    )


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One strategy of a setting from one seed: what is finished once and never again.

    Attributes:
        setting: the whole of it.
        strategy: its name in the setting.
        seed: one of the setting's.
    """

    setting: Setting
    strategy: str
    seed: int

    @property
    def name(self) -> str:
        """Of the unit, and of a campaign that it makes."""
        return f"{self.setting.name}-{self.strategy}-{self.seed}"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What decides about this strategy's result, beside the setting's."""
        return self.setting.strategies[self.strategy].parameters


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One size of a paper's experiments.

    Attributes:
        settings: what is run.
        reductions: every way in which it is less than the paper; empty for "full" but for what the paper leaves open.
    """

    settings: Sequence[Setting]
    reductions: Sequence[Reduction] = ()

    def setting(self, name: str) -> Setting | None:
        """Return the setting of a name, None where this preset has none."""
        return next((each for each in self.settings if each.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Paper:
    """One paper's experiments.

    Attributes:
        name: on the command line.
        title: of the paper, with authors and year.
        presets: "full", "cpu" and "quick", the smallest run that goes through every step.
        prepare: (units still to run, all of one setting; folder for what is made) -> a context in which they can run,
            for example with servers started; trains and builds what is not there yet.
        run: (unit, resources) -> record. Called in a process of its own; calls `benchmarks.common.jobs.tick` once a
            round, `setting.rounds` times.
        claims: what the paper says, and how each is judged.
        sections: more parts of the report, as Markdown, made from the results.
        figures: more figures, by file name without ".png".
    """

    name: str
    title: str
    presets: Mapping[str, Preset]
    prepare: Callable[[Sequence[Unit], Path], AbstractContextManager[Resources]]
    run: Callable[[Unit, Resources], Record]
    claims: Sequence[Claim]
    sections: Callable[[Results], Sequence[str]] = lambda results: ()
    figures: Callable[[Results], Mapping[str, Any]] = lambda results: {}
