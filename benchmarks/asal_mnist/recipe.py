"""Bundles, servers, 27 campaigns, figures, report."""

from __future__ import annotations

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.asal_mnist import figures
from benchmarks.asal_mnist.findings import best_features, find
from benchmarks.asal_mnist.report import render_report
from benchmarks.asal_mnist.task import PLAN, load_mnist_task
from benchmarks.common import curves, plots
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.mnist_bundles import FEATURES, Served, prepare
from benchmarks.common.parallel import Protocol, Unit, run_units
from benchmarks.common.processes import serving
from benchmarks.common.results import UnitStore, last_line, write_json, write_text
from client import (
    Acquisition,
    Batch,
    BatchRule,
    CandidateSource,
    Dowser,
    Exhaustive,
    Random,
    RandomSubset,
    Strategy,
)

FULL: dict[str, Any] = {
    "initial_per_class": 10,
    "budget": 50,
    "max_labels": 1000,
    "max_scored": 1000,
    "latents": 50,
    "synthesis_steps": 100,
}
QUICK_MAX_LABELS = 250
TABLE_LABELS = (200, 300, 500, 750, 1000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--bundles",
        type=Path,
        help="folder with bundle_pixels, bundle_autoencoder, bundle_critic (default: train)",
    )
    parser.add_argument("--seeds", type=int, help="runs of each strategy (3; with --quick 1)")
    parser.add_argument("--processes", type=int, help="campaigns at the same time (the cores, 2 at most)")


# Synthesis is the only source here, and the highest scores win: ASAL, its matches re-scored.
ALONE = {CandidateSource.SYNTHESIS: 1.0}
TOP = {"acquisition": Acquisition.MAXIMUM_ENTROPY, "batch": Batch(rule=BatchRule.TOP)}


def strategies(parameters: dict[str, Any]) -> dict[str, tuple[str, Strategy]]:
    """Return each strategy by name, with the features of the server that it runs on."""
    scored = parameters["max_scored"]
    synthesis = {
        "latents": parameters["latents"],
        "steps": parameters["synthesis_steps"],
        "warm_start": 0.0,
        "early_stop": 0.0,
    }
    named: dict[str, tuple[str, Strategy]] = {
        # These three never look at features; any server will do.
        "random": (FEATURES[0], Random()),
        "subset": (FEATURES[0], RandomSubset(max_scored=scored)),
        "exhaustive": (FEATURES[0], Exhaustive()),
    }
    for kind in FEATURES:
        named[f"plain-{kind}"] = (kind, Dowser(max_scored=0, **synthesis))
        named[f"dowser-{kind}"] = (kind, Dowser(max_scored=scored, shares=ALONE, **synthesis))
    return named


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    started = time.perf_counter()
    parameters = {**FULL, "max_labels": QUICK_MAX_LABELS} if options.quick else dict(FULL)
    seeds = list(range(options.seeds or (1 if options.quick else 3)))
    processes = options.processes or min(2, available_cores())
    out: Path = options.out
    work = out / "work"
    task = load_mnist_task()
    served = prepare(task.pool_raw, work, features=FEATURES, bundles=options.bundles, quick=options.quick)
    store = UnitStore(
        work / "campaigns",
        {**parameters, "digests": {kind: each.digest for kind, each in served.items()}},
    )
    protocol = Protocol(
        load_task=load_mnist_task,
        initial_per_class=parameters["initial_per_class"],
        budget=parameters["budget"],
        max_labels=parameters["max_labels"],
    )
    with ExitStack() as stack:
        targets = {
            kind: stack.enter_context(
                serving(bundle=each.bundle, index=each.index, state=work / f"state_{kind}", threads=1)
            )
            for kind, each in served.items()
        }
        units = [
            Unit(
                name=f"{name}-{seed}",
                group=name,
                strategy=strategy,
                seed=seed,
                target=targets[kind],
                options=TOP,
            )
            for seed in seeds
            for name, (kind, strategy) in strategies(parameters).items()
        ]
        records = run_units(units, protocol, store, classes=task.classes, processes=processes)
    result = make_result(records, served, parameters, seeds, processes)
    result["seconds"] = time.perf_counter() - started
    publish(out, result, records)
    print(f"results in {out}")
    print(last_line("asal-mnist", closing_values(records)))
    return 0


def make_result(
    records: dict[str, list[dict[str, Any]]],
    served: dict[str, Served],
    parameters: dict[str, Any],
    seeds: list[int],
    processes: int,
) -> dict[str, Any]:
    """Return what the recipe's JSON holds, but for the seconds."""
    return {
        "name": "asal-mnist",
        **describe_environment(),
        "parameters": {
            **parameters,
            "pool_size": 50_000,
            "classifier": "LeNet, 20 and 50 filters, 500 hidden units",
            "epochs": PLAN.epochs,
            "batch_size": PLAN.batch_size,
            "learning_rate": PLAN.learning_rate,
            "processes": processes,
            "server_threads": 1,
        },
        "seeds": seeds,
        "bundles": {kind: each.provenance() for kind, each in served.items()},
        "best_features": {how: best_features(records, how) for how in ("dowser", "plain")},
        "findings": find(records, TABLE_LABELS),
        "strategies": {name: curves.summarize(each) for name, each in records.items()},
        "runs": {name: [_compact(record) for record in each] for name, each in records.items()},
    }


def publish(out: Path, result: dict[str, Any], records: dict[str, list[dict[str, Any]]]) -> None:
    """Write the JSON, the figures and the report."""
    write_json(out / "asal-mnist.json", result)
    plots.save(figures.accuracy_figure(records), out / "accuracy.png")
    plots.save(figures.features_figure(records), out / "features.png")
    plots.save(figures.entropy_figure(records), out / "entropy.png")
    plots.save(figures.labels_figure(records), out / "labels.png")
    plots.save(figures.time_figure(records), out / "time.png")
    write_text(out / "REPORT.md", render_report(result, records, TABLE_LABELS))


def closing_values(records: dict[str, list[dict[str, Any]]]) -> dict[str, float | str]:
    """Return the values of the last line; at the largest label counts reached where 500 and 1,000 were not."""
    groups = {
        "random": "random",
        "dowser": f"dowser-{best_features(records, 'dowser')}",
        "exhaustive": "exhaustive",
        "subset": "subset",
        "plain": f"plain-{best_features(records, 'plain')}",
    }
    reached = curves.labels_of(records["random"])
    counts: list[int] = [at for at in (500, 1000) if at in reached] or [reached[-1]]
    values: dict[str, float | str] = {}
    for at in counts:
        for short, group in groups.items():
            found = curves.accuracy_at(records[group], at)
            values[f"{short}_{at}"] = found[0] if found else float("nan")
    values["best_features"] = best_features(records, "dowser")
    return values


def _compact(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without the lists of every pick, small enough to commit."""
    kept = ("trained_on", "label_counts", "scored", "visited", "match_gap")
    rounds = []
    for each in record["rounds"]:
        entropy = each["entropy"]
        seconds = {name: round(value, 4) for name, value in each["seconds"].items()}
        stages = {name: round(value["seconds"], 4) for name, value in each["stages"].items()}
        mean = {"entropy_mean": round(sum(entropy) / len(entropy), 5)}
        rounds.append({**{name: each[name] for name in kept}, **mean, "seconds": seconds, "stages": stages})
    return {"labels": record["labels"], "accuracy": record["accuracy"], "rounds": rounds}
