"""One campaign of BGADL's Algorithm 1, or of a rival: the trainer's joint training, and selection by the server.

All networks go on from round to round, as in Algorithm 1; every strategy's classifier starts from the same weights and
takes as many steps on real samples. The generator lives in this process and its bundle is not written anew every
round, as BALD over a random subset does not look at it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import accuracy
from benchmarks.common.jobs import tick
from benchmarks.papers.bald_vae.networks import digits_example, mnist_example
from benchmarks.papers.bgadl.resnet import resnet18
from benchmarks.papers.image_tasks import label, load_task, start_campaign
from benchmarks.papers.paper import Record, Resources, Unit
from client import ClassifierExporter, ClassifierInfo, Client, Exhaustive, Pool, Random, RandomSubset
from trainer.seeding import seeded
from trainer.vae_acgan import JointTraining


def run(unit: Unit, resources: Resources) -> Record:
    """Run one strategy from one seed.

    `information[i]` is the mean BALD of round i's picks and of what is generated for them (figure 6), `distance[i]` the
    mean |x' - x| over the labeled samples (figure 4); empty where nothing is generated or reconstructed.
    """
    given = {**unit.setting.parameters, **unit.parameters}
    task = load_task(given["dataset"])
    whole = given["select"] == "none"
    initial = (
        np.arange(len(task.pool_y), dtype=np.uint64)
        if whole
        else task.random_initial_ids(given["initial"], unit.seed)
    )
    record: Record = {"labels": [], "accuracy": [], "information": [], "distance": [], "rounds": []}
    rng = torch.Generator().manual_seed(unit.seed)
    with Client.connect(resources["target"], timeout_seconds=900) as client:
        pool = client.get_pool()
        test_x = pool.to_inputs(task.test_raw)
        trained = _networks(given, pool, task.classes, unit.seed)
        campaign = None if whole else start_campaign(client, unit.name, task, initial=initial, seed=unit.seed)
        export = ClassifierExporter(pool.input_shape, passes=given["passes"], seed=unit.seed)
        labeled = initial

        def train(steps: int) -> None:
            for _ in range(steps):
                drawn = labeled[torch.randint(len(labeled), (given["batch_size"],), generator=rng).numpy()]
                x, y = _samples(pool, task.pool_raw, task.pool_y, drawn)
                trained.update(x, y, rng)
            record["labels"].append(len(labeled))
            record["accuracy"].append(round(accuracy(trained.classifier, test_x, task.test_y), 5))

        train(given["initial_steps"])
        for _ in range(unit.setting.rounds):
            started = time.perf_counter()
            picks = np.empty(0, np.uint64)
            if campaign is not None:
                classifier = client.upload_classifier(export(trained.classifier))
                strategy = _strategy(given)
                picks = client.select_samples(
                    campaign,
                    classifier=classifier,
                    budget=given["budget"],
                    acquisition="bald",
                    strategy=strategy,
                ).pool_ids
                _measure(record, client, classifier, trained, pool, task, picks, rng)
                label(client, campaign, task, picks)
                labeled = np.concatenate([labeled, picks])
            train(given["steps"])
            if trained.posterior is not None:
                x, y = _samples(pool, task.pool_raw, task.pool_y, labeled[:512])
                apart = (trained.companions(x, y) - x).flatten(1).norm(dim=1)
                record["distance"].append(round(float(apart.mean()), 4))
            record["rounds"].append({"pool_ids": picks.tolist(), "seconds": time.perf_counter() - started})
            tick(unit.name)
        if campaign is not None:
            client.delete_campaign(campaign)
    return record


def _networks(given: dict[str, Any], pool: Pool, classes: int, seed: int) -> JointTraining:
    with seeded(seed):
        builders: dict[str, Callable[[], nn.Sequential]] = {
            "lenet": mnist_example,
            "digits": digits_example,
            "resnet18": lambda: resnet18(pool.input_shape[0], classes),
            "resnet18pa": lambda: resnet18(pool.input_shape[0], classes, pre_activated=True),
        }
        classifier = builders[given["classifier"]]()
    return JointTraining(
        pool.input_shape,
        classes,
        augmentation=given["augmentation"],
        latent_dim=given["latent_dim"],
        width=given["width"],
        learning_rate=2e-4,
        seed=seed,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        classifier=classifier,
        warm_up=given["warm_up"],
    )


def _samples(
    pool: Pool, raw: NDArray[Any], y: NDArray[np.int64], ids: NDArray[np.uint64]
) -> tuple[torch.Tensor, torch.Tensor]:
    rows = ids.astype(np.int64)
    return torch.from_numpy(pool.to_inputs(raw[rows])), torch.from_numpy(y[rows])


def _strategy(given: dict[str, Any]) -> Random | RandomSubset | Exhaustive:
    if given["select"] == "random":
        return Random()
    return RandomSubset(max_scored=given["max_scored"]) if given["max_scored"] else Exhaustive()


def _measure(
    record: Record,
    client: Client,
    classifier: ClassifierInfo,
    trained: JointTraining,
    pool: Pool,
    task: LabelingTask,
    picks: NDArray[np.uint64],
    rng: torch.Generator,
) -> None:
    """Note the mean BALD of the picks, and of what is generated for them, by the classifier that picked them."""
    if trained.generator is None:
        return
    x, y = _samples(pool, task.pool_raw, task.pool_y, picks)
    made = trained.samples(y, rng) if trained.posterior is None else trained.companions(x, y)
    both = np.concatenate([x.numpy(), made.cpu().numpy()])
    scores = client.score_samples(classifier, samples=both, acquisitions=["bald"]).scores
    values = next(iter(scores.values()))
    record["information"].append(
        {
            "picks": round(float(values[: len(picks)].mean()), 5),
            "generated": round(float(values[len(picks) :].mean()), 5),
        }
    )
