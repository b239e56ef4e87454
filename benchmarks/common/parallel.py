"""Run campaigns side by side, one process and one torch thread each; finished ones are kept and never run again.

Two campaigns at once use two cores better than one campaign with two threads: at these sizes a training step is too
small to split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.common.campaigns import Ids, LabelingTask, run_campaign
from benchmarks.common.classifier_cache import ClassifierCache
from benchmarks.common.classifiers import WithEmbedding
from benchmarks.common.jobs import run_jobs, tick
from benchmarks.common.results import UnitStore
from client import ClassifierExporter, Client, Strategy

TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One campaign to run.

    Attributes:
        name: of the unit and its campaign, for example "dowser-1".
        group: what its results are pooled under, for example "dowser".
        strategy: under test.
        seed: of initial labels, classifier and selections.
        target: the server's "host:port".
        options: more of `ActiveLearner`'s arguments.
        parameters: plain JSON values it was made with, beside those that all units share.
    """

    name: str
    group: str
    strategy: Strategy
    seed: int
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What all campaigns of a recipe have in common.

    Attributes:
        load_task: makes the task, once in every process; a top-level function or a partial of one.
        initial_per_class: labels of each class before the first round.
        budget: samples a round.
        max_labels: where a campaign ends.
        initial_random: labels before the first round where they are drawn at random instead.
        embedding: export classifiers with their embedding.
        classifiers: folder in which trained classifiers are kept; None keeps none.
    """

    load_task: Callable[[], LabelingTask]
    budget: int
    max_labels: int
    initial_per_class: int = 0
    initial_random: int = 0
    embedding: bool = False
    classifiers: Path | None = None

    def rounds(self, classes: int) -> int:
        """Return how many selections a campaign makes."""
        initial = self.initial_random or self.initial_per_class * classes
        return -(-(self.max_labels - initial) // self.budget)

    def initial_ids(self, task: LabelingTask, seed: int) -> Ids:
        """Return what is labeled before the first round."""
        if self.initial_random:
            return task.random_initial_ids(self.initial_random, seed)
        return task.initial_ids(self.initial_per_class, seed)


def run_units(
    units: Sequence[Unit], protocol: Protocol, store: UnitStore, *, classes: int, processes: int
) -> dict[str, list[dict[str, Any]]]:
    """Run the units that are not finished yet; return all records by group, in the order of the units.

    Raises:
        BenchmarkError: A campaign failed; what others finished is kept.
    """
    records = {
        unit.name: record
        for unit in units
        if (record := store.narrowed(unit.parameters).load(unit.name)) is not None
    }
    missing = [unit for unit in units if unit.name not in records]
    rounds = protocol.rounds(classes)

    def keep(unit: Unit, record: dict[str, Any]) -> None:
        records[unit.name] = record
        store.narrowed(unit.parameters).save(unit.name, record)

    progress = tqdm(total=rounds * len(units), initial=rounds * len(records), desc="campaigns", unit="round")
    if records:
        progress.write(f"{len(records)} of {len(units)} campaigns are finished already")
    with progress:
        if missing:
            run_jobs(
                missing,
                _work,
                start=partial(_start, protocol),
                keep=keep,
                progress=progress,
                processes=processes,
            )
    grouped: dict[str, list[dict[str, Any]]] = {}
    for unit in units:
        grouped.setdefault(unit.group, []).append(records[unit.name])
    return grouped


# Of a worker process: set once by _start.
_worker: dict[str, Any] = {}


def _start(protocol: Protocol) -> None:
    _worker.update(protocol=protocol, task=protocol.load_task())


def _work(unit: Unit) -> dict[str, Any]:
    protocol: Protocol = _worker["protocol"]
    task: LabelingTask = _worker["task"]
    with Client.connect(unit.target, timeout_seconds=TIMEOUT_SECONDS) as client:
        # A full export takes seconds: one a process is enough, all its campaigns train the same architecture.
        if "exporter" not in _worker:
            _worker["exporter"] = ClassifierExporter(client.get_pool().input_shape)
        exporter: ClassifierExporter = _worker["exporter"]
        cache = protocol.classifiers
        return run_campaign(
            client,
            task,
            name=unit.name,
            strategy=unit.strategy,
            initial=protocol.initial_ids(task, unit.seed),
            budget=protocol.budget,
            max_labels=protocol.max_labels,
            seed=unit.seed,
            export=(lambda module: exporter(WithEmbedding(module))) if protocol.embedding else exporter,
            options=unit.options,
            classifiers=ClassifierCache(cache) if cache is not None else None,
            on_round=lambda: tick(unit.name),
        )
