"""One campaign of BALD-VAE, BALD-O or VAE-All: everything but the training happens in calls of the public API."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from torch import nn

from benchmarks.common.classifiers import TrainingPlan, accuracy, train_classifier
from benchmarks.common.environment import has_bfloat16_units
from benchmarks.common.jobs import tick
from benchmarks.papers.bald_vae.networks import NETWORKS
from benchmarks.papers.companions import CompanionSet
from benchmarks.papers.image_tasks import label, load_task, start_campaign
from benchmarks.papers.paper import Record, Resources, Unit
from client import (
    Campaign,
    ClassifierExporter,
    ClassifierInfo,
    Client,
    Companions,
    Exhaustive,
    Random,
    RandomSubset,
    Selection,
)


def run(unit: Unit, resources: Resources) -> Record:
    """Run one strategy from one seed.

    The record's `companions` [P] are those of the training set that `accuracy[i]` belongs to. `information` has, of
    each round that made some, the mean BALD of the labeled samples and of their companions, and their mean distance.
    """
    given = {**unit.setting.parameters, **unit.parameters}
    task = load_task(given["dataset"])
    plan = TrainingPlan(
        build=NETWORKS[given["dataset"]],
        epochs=given["epochs"],
        batch_size=given["batch_size"],
        learning_rate=given["learning_rate"],
        bfloat16=has_bfloat16_units() and given["dataset"] != "digits",
    )
    initial = task.random_initial_ids(given["initial"], unit.seed)
    record: Record = {"labels": [], "accuracy": [], "companions": [], "information": [], "rounds": []}
    with Client.connect(resources["target"], timeout_seconds=900) as client:
        pool = client.get_pool()
        test_x = pool.to_inputs(task.test_raw)
        campaign = start_campaign(client, unit.name, task, initial=initial, seed=unit.seed)
        export = ClassifierExporter(pool.input_shape, passes=given["passes"], seed=unit.seed)
        labeled, generated = initial, CompanionSet()

        def train() -> nn.Sequential:
            x, y = (
                pool.to_inputs(task.pool_raw[labeled.astype(np.int64)]),
                task.pool_y[labeled.astype(np.int64)],
            )
            x, y = generated.beside(x, y)
            classifier = train_classifier(plan, x, y, seed=unit.seed)
            record["labels"].append(len(labeled))
            record["accuracy"].append(round(accuracy(classifier, test_x, task.test_y), 5))
            record["companions"].append(len(generated))
            return classifier

        for _ in range(unit.setting.rounds):
            started = time.perf_counter()
            classifier = client.upload_classifier(export(train()))
            selection = client.select_samples(
                campaign,
                classifier=classifier,
                budget=given["budget"],
                acquisition="bald",
                strategy=_strategy(given),
            )
            picks = selection.pool_ids
            if given["augment"] == "uncertain":
                made = _uncertain(client, campaign, classifier, selection)
                generated.add(made)
                record["information"].append(_information(made))
            label(client, campaign, task, picks)
            labeled = np.concatenate([labeled, picks])
            if given["augment"] == "all":
                made = client.augment_samples(campaign, classifier=classifier, pool_ids=picks)
                generated.add(made)
                record["information"].append(_information(made))
            seconds = {timing.stage: timing.seconds for timing in selection.timings}
            record["rounds"].append({"pool_ids": picks.tolist(), "stages": seconds})
            record["rounds"][-1]["seconds"] = time.perf_counter() - started
            tick(unit.name)
        train()
        client.delete_campaign(campaign)
    return record


def _strategy(given: dict[str, Any]) -> Exhaustive | RandomSubset | Random:
    if given["select"] == "random":
        return Random()
    return RandomSubset(max_scored=given["max_scored"]) if given["max_scored"] else Exhaustive()


def _uncertain(
    client: Client, campaign: Campaign, classifier: ClassifierInfo, selection: Selection
) -> Companions:
    """Return the companions of equation 3: labeled samples at least as uncertain as the K-th pick."""
    return client.augment_samples(campaign, classifier=classifier, threshold=selection)


def _information(made: Companions) -> dict[str, float] | None:
    """Return the mean BALD of labeled samples and their companions, nats, and their mean distance."""
    if made.scores is None or made.companion_scores is None or not len(made.scores):
        return None
    return {
        "sample": round(float(made.scores.mean()), 5),
        "companion": round(float(made.companion_scores.mean()), 5),
        "distance": round(float(made.distances.mean()), 5),
    }
