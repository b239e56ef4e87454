"""GAAL (Zhu and Bento 2017, as ASAL §5.3.1 repeats it): synthetic samples are labeled and trained on themselves.

Through the public API: every round's classifier is uploaded and the server synthesizes a budget of samples; nothing
comes from the pool but the initial labels. The oracle labels what a person would: there it was one who could leave out
what nobody can read, here every sample gets a label.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.common.campaigns import Ids, LabelingTask
from benchmarks.common.classifiers import accuracy, entropies, train_classifier
from client import Acquisition, Client

Oracle = Callable[[NDArray[np.float32]], NDArray[np.int64]]
"""Labels int64 [n] of model inputs float32 [n, *input_shape]."""


def run_gaal(
    client: Client,
    task: LabelingTask,
    *,
    initial: Ids,
    budget: int,
    max_labels: int,
    seed: int,
    acquisition: Acquisition,
    steps: int,
    step_size: float,
    oracle: Oracle,
    export: Callable[[nn.Sequential], bytes],
    on_round: Callable[[], None],
) -> dict[str, Any]:
    """Run GAAL from the initial labels to `max_labels`; return a record as `run_campaign` does.

    `entropy` in a round is that of the synthetic samples, by the round's own classifier.
    """
    pool = client.get_pool()
    rows = initial.astype(np.int64)
    x, y = pool.to_inputs(task.pool_raw[rows]), task.pool_y[rows]
    test_x = pool.to_inputs(task.test_raw)
    others = {name: (pool.to_inputs(raw), labels) for name, (raw, labels) in task.transfer.items()}
    labels: list[int] = []
    accuracies: list[float] = []
    transfer: dict[str, list[float]] = {name: [] for name in others}
    rounds = []
    while True:
        classifier = train_classifier(task.plan, x, y, seed=seed)
        labels.append(len(y))
        accuracies.append(accuracy(classifier, test_x, task.test_y))
        for name, (other_x, other_y) in others.items():
            transfer[name].append(accuracy(classifier, other_x, other_y))
        wanted = min(budget, max_labels - len(y))
        if wanted <= 0:
            break
        synthesis = client.synthesize_samples(
            client.upload_classifier(export(classifier)),
            acquisition=acquisition,
            latents=wanted,
            steps=steps,
            step_size=step_size,
            seed=seed * 1_000_003 + len(y),
        )
        answers = oracle(synthesis.samples)
        rounds.append(
            {
                "entropy": np.round(entropies(classifier, synthesis.samples), 5).tolist(),
                "label_counts": np.bincount(answers, minlength=task.classes).tolist(),
                "seconds": {"select": sum(timing.seconds for timing in synthesis.timings)},
            }
        )
        x, y = np.concatenate([x, synthesis.samples]), np.concatenate([y, answers])
        on_round()
    return {"labels": labels, "accuracy": accuracies, "transfer": transfer, "rounds": rounds}
