"""A server, the sequence of classifiers of each seed, and every search on it."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from benchmarks.capture.report import capture_figure, mean_capture, render_report
from benchmarks.capture.scores import TopScores, top_scores
from benchmarks.capture.strategies import BOUNDED, EXHAUSTIVE, PLAIN, SEARCH, SUBSET, UNBOUNDED
from benchmarks.common import plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifier_cache import ClassifierCache, classifier_digest
from benchmarks.common.classifiers import WithEmbedding, entropies
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.parallel import TIMEOUT_SECONDS
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import POOLS, PoolRecipe, find_pool
from benchmarks.common.processes import serving
from benchmarks.common.results import UnitStore, last_line, read_json, write_json, write_text
from benchmarks.common.strategies import StrategySpec
from client import ClassifierExporter, Client, NotFoundError

NAME = "capture"
LABELS = (100, 200, 300, 400, 500)
QUICK_LABELS = (100, 200)
SCORED = (500, 1000, 5000)
LARGEST_EXHAUSTIVE = 100_000  # pools above it are scored here alone, not once more through the server


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--pool", default="mnist", help=f"of {', '.join(POOLS)}, or PATH.npz (default: mnist)"
    )
    parser.add_argument("--searches", default="", help="names of searches (default: all)")
    parser.add_argument("--again", default="", help="searches whose finished campaigns are run anew")
    parser.add_argument("--seeds", type=int, help="runs of each search (2; with --quick 1)")
    parser.add_argument(
        "--bundles", type=Path, help="folder with bundle_POOL folders; what it has not is trained"
    )
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One classifier of the sequence.

    Attributes:
        labels: it was trained on.
        module: the classifier.
        onnx: as uploaded.
        best: the pool's highest scores.
    """

    labels: int
    module: nn.Module
    onnx: bytes
    best: TopScores


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    started = time.perf_counter()
    torch.set_num_threads(max(1, min(2, available_cores())))
    pool = find_pool(options.pool)
    counts = QUICK_LABELS if options.quick else LABELS
    if options.quick:
        pool = pool.quick()
    seeds = range(options.seeds or (1 if options.quick else 2))
    folder = (options.work or options.out / "work") / pool.name
    task = pool.load(folder.parent)
    scored = [bound for bound in SCORED if bound <= len(task.pool_y) // 2][: 1 if options.quick else None]
    searches = choose_searches(options.searches, scored, len(task.pool_y))
    served = prepare_pool(pool, task, folder, bundles=options.bundles)
    parameters = {"labels": list(counts), "budget": pool.budget, **task.plan.describe()}
    store = UnitStore(folder / "capture", parameters)
    again = [name.strip() for name in options.again.split(",")]
    records: dict[str, list[list[float]]] = {name: [] for name in searches}
    state = folder / "state-capture"
    with (
        serving(bundle=served.bundle, index=served.index, state=state, threads=1) as target,
        Client.connect(target, timeout_seconds=TIMEOUT_SECONDS) as client,
        tqdm(total=len(searches) * len(seeds), desc="searches", unit="search") as progress,
    ):
        for seed in seeds:
            ids = training_ids(task, counts, seed)
            steps: list[Step] | None = None
            for name, (spec, bound) in searches.items():
                progress.set_postfix_str(f"{name}, seed {seed}")
                kept = store.narrowed({"spec": spec.describe(), "bundle": served.digest, "scored": bound})
                unit = f"{name}-{seed}"
                record = None if spec_name(name) in again else kept.load(unit)
                if record is None:
                    steps = steps or make_steps(client, task, ids, counts, folder, seed)
                    captures = run_search(client, task, pool, ids, steps, spec, bound, name=unit, seed=seed)
                    record = {"capture": captures}
                    kept.save(unit, record)
                records[name].append(record["capture"])
                progress.update()
    result = {
        "name": NAME,
        **describe_environment(),
        "pool": {
            "name": pool.name,
            "text": pool.text,
            "size": len(task.pool_y),
            "bundle": served.provenance(),
        },
        "parameters": parameters,
        "seconds": time.perf_counter() - started,
        "quick": options.quick,
        "searches": {
            name: {"spec": spec.describe(), "text": spec.text, "scored": bound, "capture": records[name]}
            for name, (spec, bound) in searches.items()
        },
    }
    result = merge(options.out / f"{pool.name}.json", result)
    publish(options.out, result, quick=options.quick)
    print(f"results in {options.out}")
    print(last_line(NAME, closing_values(result)))
    return 0


def spec_name(name: str) -> str:
    """Return the search of a name with its bound: "search" of "search_1000"."""
    head, _, tail = name.rpartition("_")
    return head if tail.isdigit() else name


def choose_searches(given: str, scored: Sequence[int], size: int) -> dict[str, tuple[StrategySpec, int]]:
    """Return the searches to run, by name: what and how many it may score (0 where nothing bounds it).

    Raises:
        BenchmarkError: There is no such search.
    """
    wanted = [name.strip() for name in given.split(",") if name.strip()] or [*UNBOUNDED, *BOUNDED]
    if unknown := [name for name in wanted if name not in UNBOUNDED and name not in BOUNDED]:
        raise BenchmarkError(
            f"no such search: {', '.join(unknown)}; there are {', '.join([*UNBOUNDED, *BOUNDED])}"
        )
    chosen = {
        name: (spec, 0)
        for name, spec in UNBOUNDED.items()
        if name in wanted and (name != EXHAUSTIVE or size <= LARGEST_EXHAUSTIVE)
    }
    for bound in scored:
        chosen |= {f"{name}_{bound}": (spec, bound) for name, spec in BOUNDED.items() if name in wanted}
    return chosen


def training_ids(task: LabelingTask, counts: Sequence[int], seed: int) -> NDArray[np.int64]:
    """Return the ids [counts[-1]] the classifiers are trained on, each on the first of them."""
    first = task.random_initial_ids(counts[0], seed).astype(np.int64)
    others = np.setdiff1d(np.arange(len(task.pool_y)), first)
    drawn = np.random.default_rng([seed, 1]).choice(others, counts[-1] - counts[0], replace=False)
    return np.concatenate([first, drawn])


def make_steps(
    client: Client,
    task: LabelingTask,
    ids: NDArray[np.int64],
    counts: Sequence[int],
    folder: Path,
    seed: int,
) -> list[Step]:
    """Return the classifiers of a seed with the pool's highest scores under each."""
    pool = client.get_pool()
    export = ClassifierExporter(pool.input_shape)
    cache = ClassifierCache(folder / "classifiers")
    steps = []
    for count in counts:
        x, y = pool.to_inputs(task.pool_raw[ids[:count]]), task.pool_y[ids[:count]]
        module = cache.train(task.plan, x, y, seed=seed)
        path = folder / "scores" / f"{classifier_digest(task.plan, x, y, seed=seed)}.npz"
        best = top_scores(module, task.pool_raw, pool.to_inputs, path, bfloat16=task.plan.bfloat16)
        steps.append(Step(labels=count, module=module, onnx=export(WithEmbedding(module)), best=best))
    return steps


def run_search(
    client: Client,
    task: LabelingTask,
    pool: PoolRecipe,
    ids: NDArray[np.int64],
    steps: Sequence[Step],
    spec: StrategySpec,
    scored: int,
    *,
    name: str,
    seed: int,
) -> list[float]:
    """Return the capture of one search under each of the classifiers, in one campaign."""
    with contextlib.suppress(NotFoundError):
        client.delete_campaign(name)
    campaign = client.create_campaign(name, seed=seed)
    served = client.get_pool()
    labeled = np.empty(0, np.int64)
    captures = []
    for step in steps:
        fresh = np.setdiff1d(ids[: step.labels], labeled)
        client.record_labels(campaign, zip(fresh.tolist(), task.pool_y[fresh].tolist(), strict=True))
        labeled = np.concatenate([labeled, fresh])
        picked = client.select_samples(
            campaign,
            classifier=client.upload_classifier(step.onnx),
            budget=pool.budget,
            strategy=spec.strategy(scored),
            seed=int(np.random.SeedSequence([seed, step.labels]).generate_state(1)[0]),
            **spec.learner_options(),
        ).pool_ids.astype(np.int64)
        reference = step.best.mean_of_best(pool.budget, without=labeled)
        score = float(entropies(step.module, served.to_inputs(task.pool_raw[picked])).mean())
        captures.append(round(score / reference, 5))
        client.record_labels(campaign, zip(picked.tolist(), task.pool_y[picked].tolist(), strict=True))
        labeled = np.concatenate([labeled, picked])
    client.delete_campaign(campaign)
    return captures


def merge(path: Path, made: dict[str, Any]) -> dict[str, Any]:
    """Return a pool's new result with the searches that only the stored one has, if it was made the same way."""
    stored = read_json(path) if path.exists() else {}
    same = stored.get("parameters") == made["parameters"] and stored["pool"]["size"] == made["pool"]["size"]
    merged = {**made, "searches": {**(stored["searches"] if same else {}), **made["searches"]}}
    write_json(path, merged)
    return merged


def publish(out: Path, result: Mapping[str, Any], *, quick: bool) -> None:
    """Write this pool's figure and the report of all pools there are."""
    plots.save(capture_figure(result), out / f"{result['pool']['name']}.png")
    found = [read_json(path) for path in sorted(out.glob("*.json"))]
    results = [each for each in found if each.get("name") == NAME and each["quick"] == quick]
    write_text(out / "REPORT.md", render_report(results))


def closing_values(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the last line's captures, means over classifiers and seeds; NaN where a search was not run."""
    names = [*(f"{SEARCH}_{bound}" for bound in SCORED), f"{SUBSET}_1000", PLAIN]
    return {name: mean_capture(result, name) for name in names}
