"""Rounds of a campaign under way: synthesis by default beside how it began, 100 steps from random starts each time.

Two campaigns go through one sequence of classifiers, as ``benchmarks capture`` has it, and take turns. Both find the
classifier compiled. The first round, which has nothing to start from, is told apart.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.capture.recipe import LABELS, QUICK_LABELS, make_steps, training_ids
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import entropies
from client import Acquisition, Batch, BatchRule, CandidateSource, Client, Dowser, NotFoundError

BUDGET = LATENTS = 50
MAX_SCORED = 1000
SHARES = {CandidateSource.SYNTHESIS: 1.0}
WAYS = {
    "before": Dowser(
        max_scored=MAX_SCORED, latents=LATENTS, steps=100, warm_start=0.0, early_stop=0.0, shares=SHARES
    ),
    "now": Dowser(max_scored=MAX_SCORED, latents=LATENTS, shares=SHARES),
}


def measure_steady(
    client: Client, task: LabelingTask, work: Path, *, seeds: int, quick: bool
) -> dict[str, Any]:
    """Return times and captures of both ways, and how many times faster a round is now: medians, but for first rounds.

    Args:
        client: Of the server.
        task: Its pool.
        work: Where classifiers and the pool's scores are kept.
        seeds: Sequences of classifiers.
        quick: Two rounds instead of five.
    """
    counts = QUICK_LABELS if quick else LABELS
    records: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    with tqdm(total=seeds * len(counts), desc="steady rounds", unit="pair") as bar:
        for seed in range(seeds):
            ids = training_ids(task, counts, seed)
            steps = make_steps(client, task, ids, counts, work, seed)
            labeled = {name: _new_campaign(client, name, seed) for name in WAYS}
            for turn, step in enumerate(steps):
                uploaded = client.upload_classifier(step.onnx)
                client.synthesize_samples(
                    uploaded, latents=1, steps=1, acquisition=Acquisition.MAXIMUM_ENTROPY
                )  # compiles it
                for name in sorted(WAYS, reverse=turn % 2 == 0):
                    fresh = np.setdiff1d(ids[: step.labels], labeled[name])
                    _label(client, task, name, fresh)
                    labeled[name] = np.concatenate([labeled[name], fresh])
                    started = time.perf_counter()
                    reply = client.select_samples(
                        _campaign(name),
                        classifier=uploaded,
                        budget=BUDGET,
                        acquisition=Acquisition.MAXIMUM_ENTROPY,
                        strategy=WAYS[name],
                        batch=Batch(rule=BatchRule.TOP),
                        seed=int(np.random.SeedSequence([seed, step.labels]).generate_state(1)[0]),
                    )
                    seconds = time.perf_counter() - started
                    picked = reply.pool_ids.astype(np.int64)
                    inputs = client.get_pool().to_inputs(task.pool_raw[picked])
                    score = float(entropies(step.module, inputs).mean())
                    best = step.best.mean_of_best(BUDGET, without=labeled[name])
                    records[name].append(
                        {
                            "first": float(turn == 0),
                            "seconds": seconds,
                            "synthesize_seconds": sum(
                                timing.seconds for timing in reply.timings if timing.stage == "synthesize"
                            ),
                            "capture": score / best,
                        }
                    )
                    _label(client, task, name, picked)
                    labeled[name] = np.concatenate([labeled[name], picked])
                bar.update()
    told: dict[str, Any] = {name: _summary(record) for name, record in records.items()}
    told["speedup"] = told["before"]["p50_ms"] / told["now"]["p50_ms"]
    return told


def _campaign(name: str) -> str:
    return f"steady-{name}"


def _new_campaign(client: Client, name: str, seed: int) -> NDArray[np.int64]:
    with contextlib.suppress(NotFoundError):
        client.delete_campaign(_campaign(name))
    client.create_campaign(_campaign(name), seed=seed)
    return np.empty(0, np.int64)


def _label(client: Client, task: LabelingTask, name: str, ids: NDArray[np.int64]) -> None:
    client.record_labels(_campaign(name), zip(ids.tolist(), task.pool_y[ids].tolist(), strict=True))


def _summary(record: list[dict[str, float]]) -> dict[str, Any]:
    later = [each for each in record if not each["first"]]
    first = [each for each in record if each["first"]]

    def column(rows: list[dict[str, float]], name: str) -> list[float]:
        return [round(each[name], 5) for each in rows]

    return {
        "p50_ms": 1000 * float(np.median(column(later, "seconds"))),
        "synthesize_p50_ms": 1000 * float(np.median(column(later, "synthesize_seconds"))),
        "capture": float(np.mean(column(later, "capture"))),
        "captures": column(later, "capture"),
        "seconds": column(later, "seconds"),
        "first_round": {"seconds": column(first, "seconds"), "captures": column(first, "capture")},
    }
