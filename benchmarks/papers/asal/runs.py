"""One unit: a campaign, GAAL, the labels of matches, or the fully supervised reference; through the public API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.campaigns import Ids, LabelingTask, run_campaign
from benchmarks.common.classifiers import accuracy, logits_of, train_classifier
from benchmarks.common.jobs import tick
from benchmarks.papers.asal.agreement import agreement, synthesize
from benchmarks.papers.asal.bundles import load_oracle, model_inputs, server_key
from benchmarks.papers.asal.data import load_task
from benchmarks.papers.asal.gaal import Oracle, run_gaal
from benchmarks.papers.asal.strategies import ACQUISITIONS, FEATURES, STEPS, client_strategy
from benchmarks.papers.paper import Record, Resources, Unit
from client import Batch, BatchRule, ClassifierExporter, Client

TIMEOUT_SECONDS = 1800.0


def run_unit(unit: Unit, resources: Resources) -> Record:
    """Run a unit and return its record."""
    task = _task(json.dumps(unit.setting.parameters), unit.parameters["loss"])
    how = unit.parameters["how"]
    if how == "supervised":
        return _supervised(unit, task)
    with ExitStack() as stack:

        def connect(key: str) -> Client:
            return stack.enter_context(
                Client.connect(resources["targets"][key], timeout_seconds=TIMEOUT_SECONDS)
            )

        if how == "agreement":
            return _agreement(unit, task, resources, connect)
        client = connect(server_key(unit.parameters))
        if how == "gaal":
            return _summarized(_gaal(unit, task, resources, client), task, unit)
        return _summarized(_campaign(unit, task, client), task, unit)


@lru_cache(maxsize=4)
def _task(parameters: str, loss: str) -> LabelingTask:
    return load_task(json.loads(parameters), loss)


@lru_cache(maxsize=4)
def _exporter(input_shape: tuple[int, ...]) -> ClassifierExporter:
    """A full export takes seconds: one a process is enough, new weights go into its graph."""
    return ClassifierExporter(input_shape)


def _initial(unit: Unit, task: LabelingTask) -> Ids:
    return task.initial_ids(unit.setting.parameters["initial_per_class"], unit.seed)


def _campaign(unit: Unit, task: LabelingTask, client: Client) -> Record:
    parameters = unit.setting.parameters
    return run_campaign(
        client,
        task,
        name=unit.name,
        strategy=client_strategy(unit.parameters, parameters["budget"]),
        initial=_initial(unit, task),
        budget=parameters["budget"],
        max_labels=parameters["max_labels"],
        seed=unit.seed,
        export=_exporter(client.get_pool().input_shape),
        options={
            "acquisition": ACQUISITIONS[unit.parameters["loss"]],
            "batch": Batch(rule=BatchRule.TOP),
        },
        on_round=lambda: tick(unit.name),
    )


def _gaal(unit: Unit, task: LabelingTask, resources: Resources, client: Client) -> Record:
    parameters = unit.setting.parameters
    return run_gaal(
        client,
        task,
        initial=_initial(unit, task),
        budget=parameters["budget"],
        max_labels=parameters["max_labels"],
        seed=unit.seed,
        acquisition=ACQUISITIONS[unit.parameters["loss"]],
        steps=STEPS,
        step_size=unit.parameters["step_size"],
        oracle=_oracle(unit.parameters["oracle"], task, resources, client),
        export=_exporter(client.get_pool().input_shape),
        on_round=lambda: tick(unit.name),
    )


def _oracle(kind: str, task: LabelingTask, resources: Resources, client: Client) -> Oracle:
    """Return who labels synthetic samples."""
    if kind == "nearest":

        def nearest(samples: NDArray[np.float32]) -> NDArray[np.int64]:
            ids = np.concatenate(client.search_neighbors(samples=samples, k=1).pool_ids)
            return task.pool_y[ids.astype(np.int64)]

        return nearest
    module = load_oracle(task, Path(resources["oracle"]))

    def classify(samples: NDArray[np.float32]) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = logits_of(module, samples).argmax(1).numpy()
        return labels

    return classify


def _agreement(
    unit: Unit, task: LabelingTask, resources: Resources, connect: Callable[[str], Client]
) -> Record:
    clients = {features: connect(f"{unit.parameters['generator']}/{features}") for features in FEATURES}
    first = clients["pixels"]
    rows = _initial(unit, task).astype(np.int64)
    classifier = train_classifier(
        task.plan, model_inputs(task.pool_raw[rows]), task.pool_y[rows], seed=unit.seed
    )
    samples = synthesize(
        first,
        _exporter(first.get_pool().input_shape)(classifier),
        count=unit.setting.parameters["synthetic"],
        steps=STEPS,
        step_size=unit.parameters["step_size"],
        seed=unit.seed,
    )
    oracle = _oracle("classifier", task, resources, first)
    record = agreement(clients, samples, oracle, task.pool_y, task.classes)
    tick(unit.name)
    return record


def _supervised(unit: Unit, task: LabelingTask) -> Record:
    """Train on the whole pool, once; the curve is a level, with all labels in every round."""
    module = train_classifier(task.plan, model_inputs(task.pool_raw), task.pool_y, seed=unit.seed)
    reached = accuracy(module, model_inputs(task.test_raw), task.test_y)
    transfer = {name: accuracy(module, model_inputs(x), y) for name, (x, y) in task.transfer.items()}
    for _ in range(unit.setting.rounds):
        tick(unit.name)
    trained = unit.setting.rounds + 1
    return {
        "labels": [len(task.pool_y)] * trained,
        "accuracy": [reached] * trained,
        "transfer": {name: [value] * trained for name, value in transfer.items()},
    }


def _summarized(record: Mapping[str, Any], task: LabelingTask, unit: Unit) -> Record:
    """Return the record with what the claims ask for, a value a round."""
    rounds = record["rounds"]
    initial = np.bincount(task.pool_y[_initial(unit, task).astype(np.int64)], minlength=task.classes)
    counts = np.cumsum([initial, *(each["label_counts"] for each in rounds)], axis=0)  # [P, C]
    kept = {name: value for name, value in record.items() if name != "balanced_accuracy"}
    return {
        **kept,
        "entropy": [round(float(np.mean(each["entropy"])), 5) for each in rounds],
        "label_shares": (counts / counts.sum(1, keepdims=True)).round(4).tolist(),
        "select_seconds": round(float(np.mean([each["seconds"]["select"] for each in rounds])), 4),
    }
