"""Selections on a small and a large pool in turns."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.common import plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import WithEmbedding, train_classifier
from benchmarks.common.environment import describe_environment
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.processes import serving
from benchmarks.common.results import last_line, write_json
from benchmarks.common.strategies import StrategySpec
from client import ClassifierExporter, Client, NotFoundError, Selection

NAME = "growth"
LABELS = 300
REQUESTS, QUICK_REQUESTS = 20, 3
STRATEGIES = {
    "dowser": StrategySpec(
        kind="dowser", text="the policy, from a campaign's first round", acquisition="margin"
    ),
    "neighbors-random": StrategySpec(
        kind="dowser",
        text="neighbors of labeled and random, halves",
        shares={"labeled_neighbors": 0.5, "random": 0.5},
    ),
    "union": StrategySpec(
        kind="dowser",
        text="1/4 synthesis, 1/4 neighbors of labeled, 1/2 random",
        shares={"synthesis": 0.25, "labeled_neighbors": 0.25, "random": 0.5},
    ),
    "climb": StrategySpec(
        kind="dowser", text="climb from random draws", rule="top", shares={"climb": 0.75, "random": 0.25}
    ),
    "subset": StrategySpec(kind="subset", text="random subset"),
}

Ask = Callable[[StrategySpec, int], dict[str, Any]]  # with a seed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--pools", default="mnist,mnist-1m", help="a small and a large one (default: mnist,mnist-1m)"
    )
    parser.add_argument(
        "--bundles", type=Path, help="folder with bundle_POOL folders; what it has not is trained"
    )
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    torch.set_num_threads(1)
    names = [name.strip() for name in options.pools.split(",")]
    work: Path = options.work or options.out / "work"
    requests = QUICK_REQUESTS if options.quick else REQUESTS
    measured: dict[str, dict[str, list[dict[str, Any]]]] = {name: {} for name in names}
    sizes = {}
    with contextlib.ExitStack() as stack:
        asked = {}
        for name in names:
            pool = find_pool(name)
            task = pool.load(work)
            sizes[name] = len(task.pool_y)
            served = prepare_pool(pool, task, work / name, bundles=options.bundles)
            target = stack.enter_context(
                serving(
                    bundle=served.bundle, index=served.index, state=work / name / "state-growth", threads=2
                )
            )
            client = stack.enter_context(Client.connect(target))
            asked[name] = _prepared(client, task, budget=pool.budget, max_scored=pool.max_scored)
        rounds = [(strategy, turn) for strategy in STRATEGIES for turn in range(requests + 1)]
        for strategy, turn in tqdm(rounds, desc="selections", unit="pair"):
            for name in names if turn % 2 else reversed(names):  # neither always goes first
                record = asked[name](STRATEGIES[strategy], turn)
                if turn:  # the first compiles the classifier
                    measured[name].setdefault(strategy, []).append(record)
    result = {
        "name": NAME,
        **describe_environment(),
        "sizes": sizes,
        "labels": LABELS,
        "requests": requests,
        "strategies": {
            strategy: _summary([measured[name][strategy] for name in names], names) for strategy in STRATEGIES
        },
    }
    write_json(options.out / f"{NAME}.json", result)
    plots.save(_figure(result, names), options.out / f"{NAME}.png")
    print(f"results in {options.out}")
    values = {f"{name.replace('-', '_')}": each["ratio"] for name, each in result["strategies"].items()}
    print(last_line(NAME, values))
    return 0


def _prepared(client: Client, task: LabelingTask, *, budget: int, max_scored: int) -> Ask:
    """Label, train and upload; return what asks for one selection and gives its samples back."""
    pool = client.get_pool()
    ids = task.random_initial_ids(LABELS, 0)
    labels = task.pool_y[ids.astype(np.int64)]
    module = train_classifier(task.plan, pool.to_inputs(task.pool_raw[ids.astype(np.int64)]), labels, seed=0)
    uploaded = client.upload_classifier(ClassifierExporter(pool.input_shape)(WithEmbedding(module)))

    def ask(spec: StrategySpec, seed: int) -> dict[str, Any]:
        with contextlib.suppress(NotFoundError):
            client.delete_campaign(NAME)
        campaign = client.create_campaign(NAME, seed=0)  # a new one each time: the policy learns nothing
        client.record_labels(campaign, zip(ids.tolist(), labels.tolist(), strict=True))
        started = time.perf_counter()
        selection: Selection = client.select_samples(
            campaign,
            classifier=uploaded,
            budget=budget,
            strategy=spec.strategy(max_scored),
            seed=seed,
            **spec.learner_options(),
        )
        return {
            "seconds": time.perf_counter() - started,
            "visited": selection.visited,
            "stages": {timing.stage: timing.seconds for timing in selection.timings},
        }

    return ask


def _summary(runs: Sequence[Sequence[Mapping[str, Any]]], names: Sequence[str]) -> dict[str, Any]:
    seconds = [np.array([each["seconds"] for each in run]) for run in runs]
    stages = list(dict.fromkeys(stage for run in runs for each in run for stage in each["stages"]))
    return {
        "p50_ms": {name: 1000 * float(np.median(s)) for name, s in zip(names, seconds, strict=True)},
        "p99_ms": {name: 1000 * float(np.percentile(s, 99)) for name, s in zip(names, seconds, strict=True)},
        "ratio": float(np.median(seconds[-1]) / np.median(seconds[0])),
        "visited": {
            name: float(np.mean([each["visited"] for each in run]))
            for name, run in zip(names, runs, strict=True)
        },
        "stage_ms": {
            name: {
                stage: 1000 * float(np.median([each["stages"].get(stage, 0.0) for each in run]))
                for stage in stages
            }
            for name, run in zip(names, runs, strict=True)
        },
    }


def _figure(result: Mapping[str, Any], names: Sequence[str]) -> Any:
    made, (ax,) = plots.figure(width=8.0, height=4.6)
    rows = {
        f"{strategy}, {result['sizes'][name]:,}": each["stage_ms"][name]
        for strategy, each in result["strategies"].items()
        for name in names
    }
    plots.stacked_bars(ax, rows)
    plots.label_axes(ax, x="milliseconds a selection, median of each stage", y="")
    return made
