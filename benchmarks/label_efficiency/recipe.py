"""A bundle, a server and its campaigns for each pool; then the summary of all pools there are."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.mnist_bundles import Served
from benchmarks.common.parallel import Protocol, Unit, run_units
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import POOLS, PoolRecipe, find_pool
from benchmarks.common.processes import serving
from benchmarks.common.results import UnitStore, last_line, read_json, write_json, write_text
from benchmarks.label_efficiency import figures
from benchmarks.label_efficiency.findings import closing_values, finite, summarize_records
from benchmarks.label_efficiency.report import render_report
from benchmarks.label_efficiency.strategies import SETS, STRATEGIES, resolve

NAME = "label-efficiency"
DEFAULT_POOLS = "mnist,fashion,mnist-rare,fashion-rare,neu,cifar10-dominant"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--pools",
        default=DEFAULT_POOLS,
        help=f"of {', '.join(POOLS)}, or PATH.npz (default: {DEFAULT_POOLS})",
    )
    parser.add_argument(
        "--strategies", default="core", help=f"names, or the sets {', '.join(SETS)} (default: core)"
    )
    parser.add_argument("--again", default="", help="strategies whose finished campaigns are run anew")
    parser.add_argument(
        "--seeds", type=int, help="runs of each strategy (default: the pool's; with --quick 1)"
    )
    parser.add_argument(
        "--bundles", type=Path, help="folder with bundle_POOL folders; what it has not is trained"
    )
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")
    parser.add_argument("--processes", type=int, help="campaigns at the same time (the cores, 2 at most)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    names = resolve(_split(options.strategies))
    again = resolve(_split(options.again))
    pools = [find_pool(name) for name in _split(options.pools)]
    if options.quick:
        pools = [pool.quick() for pool in pools]
    work: Path = options.work or options.out / "work"
    for pool in pools:
        result = run_pool(
            pool,
            names,
            work=work,
            bundles=options.bundles,
            seeds=list(range(options.seeds or pool.seeds)),
            again=again,
            processes=options.processes or min(2, available_cores()),
        )
        path = options.out / f"{pool.name}.json"
        write_json(path, merge(read_json(path) if path.exists() else {}, {**result, "quick": options.quick}))
        results = load_results(options.out, quick=options.quick)
        publish(options.out, results)
    print(f"results in {options.out}")
    print(last_line(NAME, closing_values(results)))
    return 0


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def run_pool(
    pool: PoolRecipe,
    names: Sequence[str],
    *,
    work: Path,
    bundles: Path | None,
    seeds: Sequence[int],
    again: Sequence[str],
    processes: int,
) -> dict[str, Any]:
    """Run the strategies on one pool and return its result."""
    started = time.perf_counter()
    folder = work / pool.name
    load_task = partial(pool.load, work)
    task = load_task()
    served = prepare_pool(pool, task, folder, bundles=bundles)
    parameters = {
        "budget": pool.budget,
        "max_scored": pool.max_scored,
        "initial": pool.initial,
        "max_labels": min(pool.max_labels, len(task.pool_y)),
        **task.plan.describe(),
    }
    protocol = Protocol(
        load_task=load_task,
        budget=pool.budget,
        max_labels=parameters["max_labels"],
        initial_random=pool.initial,
        embedding=True,
        classifiers=folder / "classifiers",
    )
    store = UnitStore(folder / "campaigns", parameters)
    with serving(bundle=served.bundle, index=served.index, state=folder / "state", threads=1) as target:
        units = [
            make_unit(name, seed, max_scored=pool.max_scored, target=target, digest=served.digest)
            for seed in seeds
            for name in names
        ]
        for unit in units:
            if unit.group in again:
                store.discard(unit.name)
        records = run_units(units, protocol, store, classes=task.classes, processes=processes)
    counts = {
        seed: np.bincount(
            task.pool_y[protocol.initial_ids(task, seed).astype(np.int64)], minlength=task.classes
        )
        for seed in seeds
    }
    return {
        "name": NAME,
        **describe_environment(),
        "pool": describe_pool(pool, task, served),
        "parameters": parameters,
        "processes": processes,
        "seconds": time.perf_counter() - started,
        "strategies": {
            name: {
                "spec": STRATEGIES[name].describe(),
                **summarize_records(
                    dict(zip(seeds, each, strict=True)),
                    pool.rare,
                    {seed: value.tolist() for seed, value in counts.items()},
                ),
            }
            for name, each in records.items()
        },
    }


def make_unit(name: str, seed: int, *, max_scored: int, target: str, digest: str) -> Unit:
    """Return one campaign; those of strategies that never look at the bundle are kept when it changes."""
    spec = STRATEGIES[name]
    return Unit(
        name=f"{name}-{seed}",
        group=name,
        strategy=spec.strategy(max_scored),
        seed=seed,
        target=target,
        options=spec.learner_options(),
        parameters={"spec": spec.describe(), **({"bundle": digest} if spec.uses_bundle else {})},
    )


def describe_pool(pool: PoolRecipe, task: LabelingTask, served: Served) -> dict[str, Any]:
    """Return what the report says of a pool, as plain JSON values."""
    return {
        "name": pool.name,
        "text": pool.text,
        "size": len(task.pool_y),
        "test_size": len(task.test_y),
        "class_counts": np.bincount(task.pool_y, minlength=task.classes).tolist(),
        "rare": list(pool.rare),
        "bundle": served.provenance(),
    }


def merge(stored: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pool's new result, with what only the stored one has, where it was made the same way.

    The same way: pool, protocol, the strategy itself, and the bundle where the strategy looks at it.
    """
    same = all(stored.get(name) == made[name] for name in ("name", "parameters")) and (
        stored["pool"]["class_counts"] == made["pool"]["class_counts"]
    )
    same_bundle = same and stored["pool"]["bundle"] == made["pool"]["bundle"]
    kept = {
        name: entry
        for name, entry in (stored["strategies"] if same else {}).items()
        if name in STRATEGIES
        and entry["spec"] == STRATEGIES[name].describe()
        and (same_bundle or not STRATEGIES[name].uses_bundle)
    }
    strategies = {**kept, **made["strategies"]}
    ordered = {name: strategies[name] for name in STRATEGIES if name in strategies}
    return {**made, "strategies": ordered}


def load_results(out: Path, *, quick: bool) -> list[dict[str, Any]]:
    """Return the results of all pools in a folder, those of the portfolio first and in its order."""
    found = [read_json(path) for path in sorted(out.glob("*.json"))]
    results = [
        each for each in found if each.get("name") == NAME and "pool" in each and each["quick"] == quick
    ]
    order = list(POOLS)

    def place(result: Mapping[str, Any]) -> int:
        name = result["pool"]["name"].removesuffix("-quick")
        return order.index(name) if name in order else len(order)

    return sorted(results, key=place)


def publish(out: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """Write summary, figures and report of all pools."""
    values = {key: finite(value) for key, value in closing_values(results).items()}
    write_json(out / "summary.json", {"pools": [each["pool"]["name"] for each in results], "ratios": values})
    for result in results:
        plots.save(figures.curves_figure(result), out / f"{result['pool']['name']}.png")
    plots.save(figures.ratios_figure(results), out / "ratios.png")
    if any(each["pool"]["rare"] for each in results):
        plots.save(figures.rare_figure(results), out / "rare.png")
    write_text(out / "REPORT.md", render_report(results))
