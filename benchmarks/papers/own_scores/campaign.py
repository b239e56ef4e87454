"""One campaign whose classifier is trained and exported by the paper's own means, through the public API.

The graph that is uploaded is made only where the strategy asks the server to score. What a round's classifier is wrong
about is counted on its picks, which nobody trained on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.jobs import tick
from benchmarks.common.mnist_bundles import serve_with_index
from benchmarks.common.processes import serving
from benchmarks.common.training import train_bundle
from benchmarks.papers.companions import CompanionSet
from benchmarks.papers.own_scores.data import initial_ids, load_task
from benchmarks.papers.paper import Record, Resources, Unit
from client import ActiveLearner, Batch, Client, Dowser, NotFoundError, Strategy

_BATCH = 500
_BUNDLE = {"generator": "gaussian", "features": "pixels"}


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What a round trained.

    Attributes:
        module: x -> logits, or a tuple that begins with them.
        graph: makes what is uploaded.
    """

    module: nn.Module
    graph: Callable[[], bytes]


class Fit(Protocol):
    """Trains a round's classifier and what scores with it."""

    def __call__(self, labeled: Tensor, labels: Tensor, unlabeled: Tensor) -> Fitted:
        """Train on labeled x [L, ...] with labels [L]; the pool's other samples [N - L, ...] have none."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """How a strategy chooses.

    Attributes:
        strategy: Of the client.
        acquisition: Name of the acquisition function.
        rule: Name of the batch rule; None leaves it to the server.
        companions: Train on generated companions of uncertain labeled samples, too (BALD-VAE, equation 3).
    """

    strategy: Strategy
    acquisition: str = "own_score"
    rule: str | None = "top"
    companions: bool = False


def tenth_of_pool(unit: Unit) -> Dowser:
    """Return the default selection, which scores a tenth of the setting's pool."""
    return Dowser(max_scored=len(load_task(unit.setting.parameters).pool_y) // 10)


@contextmanager
def prepare(units: Sequence[Unit], folder: Path) -> Iterator[Resources]:
    """Serve the setting's pool; its `bundle` are options of the trainer, a generator that takes seconds by default."""
    setting = units[0].setting
    task = load_task(setting.parameters)
    pool, bundle = folder / "pool.npy", folder / "bundle"
    np.save(pool, task.pool_raw)
    training = setting.parameters.get("bundle", _BUNDLE)
    train_bundle(pool, training, run=folder / "bundle-run", bundle=bundle)
    served = serve_with_index(bundle, pool, folder / "index", name=setting.name)
    with serving(bundle=served.bundle, index=served.index, state=folder / "state", threads=1) as target:
        yield {"target": target}


def run_campaign(
    unit: Unit, resources: Resources, choose: Choice, make_fit: Callable[[LabelingTask, tuple[int, ...]], Fit]
) -> Record:
    """Run one strategy from one seed.

    Args:
        unit: With `initial`, `budget` and `rounds` among its setting's parameters.
        resources: Of `prepare`.
        choose: How it chooses.
        make_fit: Given task and input shape, returns what trains a round's classifier.
    """
    parameters: Mapping[str, Any] = unit.setting.parameters
    task = load_task(parameters)
    initial = initial_ids(task, parameters, unit.seed)
    with Client.connect(resources["target"]) as client:
        with contextlib.suppress(NotFoundError):
            client.delete_campaign(unit.name)
        pool = client.get_pool()
        fit = make_fit(task, tuple(pool.input_shape))
        x, x_test = (torch.from_numpy(pool.to_inputs(raw)) for raw in (task.pool_raw, task.test_raw))
        y_test = torch.from_numpy(task.test_y)
        companions = CompanionSet()

        def train(ids: NDArray[np.uint64], labels: NDArray[np.int64]) -> Fitted:
            rows = torch.from_numpy(ids.astype(np.int64))
            others = torch.ones(len(x), dtype=torch.bool)
            others[rows] = False
            labeled, y = companions.beside(x[rows].numpy(), labels)
            return fit(torch.from_numpy(labeled), torch.from_numpy(y), x[others])

        learner = ActiveLearner(
            client,
            campaign=unit.name,
            train=train,
            oracle=lambda ids: task.pool_y[ids.astype(np.int64)],
            budget=int(parameters["budget"]),
            strategy=choose.strategy,
            acquisition=choose.acquisition,
            batch=None if choose.rule is None else Batch(rule=choose.rule),
            export=lambda fitted: fitted.graph(),
            max_labels=int(parameters["initial"]) + int(parameters["budget"]) * int(parameters["rounds"]),
            seed=unit.seed,
        )
        learner.seed_labels(initial, task.pool_y[initial.astype(np.int64)])
        record: Record = {"labels": [], "accuracy": [], "balanced_accuracy": []}
        record |= {"wrong": [], "scored": [], "select_seconds": [], "counts": [], "rounds": []}

        def test(module: nn.Module, labeled: int) -> None:
            right = predictions(module, x_test) == y_test
            recalls = [right[y_test == c].float().mean() for c in range(task.classes)]
            record["labels"].append(labeled)
            record["accuracy"].append(float(right.float().mean()))
            record["balanced_accuracy"].append(float(torch.stack(recalls).mean()))

        labeled = initial
        for report in learner:
            if choose.companions:
                made = client.augment_samples(
                    learner.campaign,
                    classifier=report.classifier_info,
                    acquisition=choose.acquisition,
                    threshold=report.selection,
                    pool_ids=labeled,
                )
                companions.add(made)
                labeled = np.concatenate([labeled, report.selection.pool_ids])
            test(report.classifier.module, report.trained_on)
            picked = torch.from_numpy(report.selection.pool_ids.astype(np.int64))
            said = predictions(report.classifier.module, x[picked]).numpy()
            record["wrong"].append(float((said != report.labels).mean()))
            record["scored"].append(report.selection.scored)
            record["select_seconds"].append(report.seconds.select)
            record["counts"].append(np.bincount(report.labels, minlength=task.classes).tolist())
            record["rounds"].append({"pool_ids": picked.tolist(), "train": report.seconds.train})
            tick(unit.name)
        started = time.perf_counter()
        test(learner.fit().module, learner.client.get_campaign(learner.campaign).labeled)
        record["last_seconds"] = time.perf_counter() - started
        client.delete_campaign(learner.campaign)
    return record


@torch.no_grad()
def predictions(module: nn.Module, x: Tensor) -> Tensor:
    """Return the predicted classes int64 [n] of x [n, ...], in eval mode."""
    module.eval()
    parts = [module(some) for some in torch.split(x, _BATCH)]
    return torch.cat([(part[0] if isinstance(part, tuple) else part).argmax(dim=1) for part in parts])
