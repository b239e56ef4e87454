"""One campaign, from its initial labels to the last round, measured: the unit of work of the learning recipes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.common.classifier_cache import ClassifierCache
from benchmarks.common.classifiers import (
    TrainingPlan,
    accuracy,
    entropies,
    logits_of,
    recalls,
    train_classifier,
)
from client import ActiveLearner, Client, NotFoundError, RoundReport, Strategy

Ids = NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelingTask:
    """A pool whose labels are known to us, and to the strategies only when they ask.

    Attributes:
        pool_raw: the pool as its file has it [N, *raw_shape]; pool ids are row numbers.
        pool_y: the oracle's answers int64 [N].
        test_raw: [M, *raw_shape].
        test_y: int64 [M].
        plan: how the classifier is trained in every round.
        classes: C.
        transfer: more test sets by name, (raw samples, labels): data of another origin.
    """

    pool_raw: NDArray[Any]
    pool_y: NDArray[np.int64]
    test_raw: NDArray[Any]
    test_y: NDArray[np.int64]
    plan: TrainingPlan
    classes: int
    transfer: Mapping[str, tuple[NDArray[Any], NDArray[np.int64]]] = field(default_factory=dict)

    def initial_ids(self, per_class: int, seed: int) -> Ids:
        """Draw the labeled samples a campaign starts from: `per_class` of each class, the same for every strategy."""
        rng = np.random.default_rng(seed)
        drawn = [
            rng.choice(np.flatnonzero(self.pool_y == c), per_class, replace=False)
            for c in range(self.classes)
        ]
        return np.concatenate(drawn).astype(np.uint64)

    def random_initial_ids(self, count: int, seed: int) -> Ids:
        """Draw `count` labeled samples to start from, uniformly but for one of each class at least.

        A missing class's sample takes the place of one of the most frequent class.
        """
        rng = np.random.default_rng(seed)
        drawn = rng.choice(len(self.pool_y), count, replace=False)
        for missing in range(self.classes):
            counts = np.bincount(self.pool_y[drawn], minlength=self.classes)
            if counts[missing] == 0:
                given_up = rng.choice(np.flatnonzero(self.pool_y[drawn] == counts.argmax()))
                drawn[given_up] = rng.choice(np.flatnonzero(self.pool_y == missing))
        return drawn.astype(np.uint64)


def run_campaign(
    client: Client,
    task: LabelingTask,
    *,
    name: str,
    strategy: Strategy,
    initial: Ids,
    budget: int,
    max_labels: int,
    seed: int,
    export: Callable[[nn.Sequential], bytes],
    options: Mapping[str, Any] | None = None,
    classifiers: ClassifierCache | None = None,
    on_round: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Run one campaign through the server and return its record as plain JSON values.

    The classifier starts from the same weights in every round and under every strategy of a seed; what differs is
    what was labeled. `accuracy[i]` and `balanced_accuracy[i]` (the mean of the classes' recalls) are those of the
    classifier trained on `labels[i]` labels, and so is `transfer[name][i]` on the task's other test sets, if any.

    Args:
        client: Connected to the server.
        task: The pool, its oracle, the test set, the classifier.
        name: Of the campaign; one of this name that an interrupted run left behind is deleted.
        strategy: Under test.
        initial: Ids labeled before the first round.
        budget: Samples a round.
        max_labels: Where the campaign ends.
        seed: Of the campaign and the classifier's first weights.
        export: Turns a classifier into ONNX; best one `ClassifierExporter` for many campaigns.
        options: More of `ActiveLearner`'s arguments, for example the acquisition function or the batch rule.
        classifiers: Where trained classifiers are kept; None trains each anew.
        on_round: Called after every round, for progress.
    """
    with contextlib.suppress(NotFoundError):
        client.delete_campaign(name)
    pool = client.get_pool()
    test_x = pool.to_inputs(task.test_raw)

    fit = classifiers.train if classifiers is not None else train_classifier

    def train(ids: Ids, labels: NDArray[np.int64]) -> nn.Sequential:
        return fit(task.plan, pool.to_inputs(task.pool_raw[ids.astype(np.int64)]), labels, seed=seed)

    def test(classifier: nn.Sequential) -> tuple[float, float]:
        logits = logits_of(classifier, test_x, bfloat16=task.plan.bfloat16)
        right = logits.argmax(1).numpy() == task.test_y
        return float(right.mean()), float(recalls(logits, task.test_y).mean())

    others = {name: (pool.to_inputs(raw), y) for name, (raw, y) in task.transfer.items()}
    transfer: dict[str, list[float]] = {name: [] for name in others}

    def test_transfer(classifier: nn.Sequential) -> None:
        for name, (x, y) in others.items():
            transfer[name].append(accuracy(classifier, x, y))

    learner = ActiveLearner(
        client,
        campaign=name,
        train=train,
        oracle=lambda ids: task.pool_y[ids.astype(np.int64)],
        budget=budget,
        strategy=strategy,
        export=export,
        max_labels=max_labels,
        seed=seed,
        **(options or {}),
    )
    learner.seed_labels(initial, task.pool_y[initial.astype(np.int64)])
    labels, tests, rounds = [], [], []
    for report in learner:
        started = time.perf_counter()
        labels.append(report.trained_on)
        tests.append(test(report.classifier))
        test_transfer(report.classifier)
        picked_x = pool.to_inputs(task.pool_raw[report.selection.pool_ids.astype(np.int64)])
        entropy = entropies(report.classifier, picked_x)
        rounds.append(_describe_round(report, entropy, task.classes, time.perf_counter() - started))
        on_round()
    labels.append(learner.client.get_campaign(learner.campaign).labeled)
    last = learner.fit()
    tests.append(test(last))
    test_transfer(last)
    client.delete_campaign(learner.campaign)
    return {
        "labels": labels,
        "accuracy": [each[0] for each in tests],
        "balanced_accuracy": [each[1] for each in tests],
        **({"transfer": transfer} if transfer else {}),
        "rounds": rounds,
    }


def _describe_round(
    report: RoundReport, entropy: NDArray[np.float64], classes: int, evaluate_seconds: float
) -> dict[str, Any]:
    selection = report.selection
    return {
        "round": report.round,
        "trained_on": report.trained_on,
        "pool_ids": selection.pool_ids.tolist(),
        "entropy": np.round(
            entropy, 5
        ).tolist(),  # nats, by this round's classifier, for every strategy alike
        "label_counts": np.bincount(report.labels, minlength=classes).tolist(),
        "scored": selection.scored,
        "visited": selection.visited,
        "match_gap": selection.match_gap,
        "seconds": {**asdict(report.seconds), "evaluate": evaluate_seconds},
        "stages": {
            timing.stage: {"seconds": timing.seconds, "engine_seconds": timing.engine_seconds}
            for timing in selection.timings
        },
        "diagnosis": asdict(selection.diagnosis),
    }
