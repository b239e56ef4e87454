"""The demo's steps, each told, timed, and skipped where an earlier run of the same parameters has finished it."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import curves
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.parallel import Protocol, Unit, run_units
from benchmarks.common.processes import run_tool, serving
from benchmarks.common.results import UnitStore, last_line, write_json, write_text
from benchmarks.demo.digits import PLAN, load_digits_task
from benchmarks.demo.gallery import make_gallery
from benchmarks.demo.report import render_report
from client import Acquisition, Client, Dowser, Exhaustive, Random, RandomSubset, Strategy

FULL: dict[str, Any] = {
    "generator": "wgan-gp",
    "features": "autoencoder",
    "iterations": 2000,
    "autoencoder_iterations": 1000,
    "width": 16,
    "learning_rate": 2e-4,
    "seeds": 5,
    "initial_per_class": 2,
    "budget": 10,
    "max_labels": 150,
    "max_scored": 150,
    "synthesis_steps": 100,
}
QUICK: dict[str, Any] = {
    **FULL,
    "iterations": 20,
    "autoencoder_iterations": 50,
    "seeds": 1,
    "max_labels": 50,
}
TABLE_LABELS = (20, 50, 100, 150)
# What the rivals score by; Dowser has its own defaults.
ENTROPY = {"acquisition": Acquisition.MAXIMUM_ENTROPY}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's own options."""
    parser.add_argument("--fresh", action="store_true", help="repeat what an earlier run has finished")


def strategies(parameters: dict[str, Any]) -> dict[str, Strategy]:
    """Return the four strategies by name."""
    scored = parameters["max_scored"]
    return {
        "dowser": Dowser(max_scored=scored, steps=parameters["synthesis_steps"]),
        "exhaustive": Exhaustive(),
        "subset": RandomSubset(max_scored=scored),
        "random": Random(),
    }


def run(options: argparse.Namespace) -> int:
    """Run the demo; see the package."""
    started = time.perf_counter()
    parameters = QUICK if options.quick else FULL
    out: Path = options.out
    if options.fresh:
        for name in ("bundle", "run", "index", "work"):
            shutil.rmtree(out / name, ignore_errors=True)
    store = UnitStore(out / "work", parameters)
    task = load_digits_task()
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "pool.npy", task.pool_raw)

    _say(
        1,
        f"train a generator and an auto-encoder on {len(task.pool_y):,} unlabeled digits (dowser-trainer train)",
    )
    seconds = {"train": _step(store, "train", [out / "bundle", out / "run"], lambda: _train(out, parameters))}
    _say(2, "encode the pool and build its index (dowser-server index build)")
    # The index belongs to the bundle: where one is new, so must the other be.
    fresh_bundle = seconds["train"][1]
    seconds["index"] = _step(store, "index", [out / "index"], lambda: _build_index(out), again=fresh_bundle)
    if fresh_bundle:
        shutil.rmtree(out / "work" / "campaigns", ignore_errors=True)

    _say(3, "start the server in its own process (dowser-server serve)")
    serve_started = time.perf_counter()
    with serving(
        bundle=out / "bundle", index=out / "index", state=out / "work" / "state", threads=1
    ) as target:
        serve_seconds = time.perf_counter() - serve_started
        print(f"      listening on {target}", flush=True)
        named = strategies(parameters)
        units = [
            Unit(
                name=f"{name}-{seed}",
                group=name,
                strategy=strategy,
                seed=seed,
                target=target,
                options={} if name == "dowser" else ENTROPY,
            )
            for seed in range(parameters["seeds"])
            for name, strategy in named.items()
        ]
        protocol = Protocol(
            load_task=load_digits_task,
            initial_per_class=parameters["initial_per_class"],
            budget=parameters["budget"],
            max_labels=parameters["max_labels"],
        )
        _say(4, f"{len(units)} campaigns over gRPC: {', '.join(named)}, {parameters['seeds']} seeds each")
        campaigns_started = time.perf_counter()
        campaign_store = UnitStore(out / "work" / "campaigns", {**parameters, "epochs": PLAN.epochs})
        records = run_units(
            units, protocol, campaign_store, classes=task.classes, processes=min(2, available_cores())
        )
        campaign_seconds = time.perf_counter() - campaigns_started
        _say(5, "one more selection with its synthetic samples, for the picture grid; then the report")
        with Client.connect(target) as client:
            gallery = make_gallery(
                client, task, protocol, records["dowser"][0], max_scored=parameters["max_scored"]
            )

    stage_seconds = {
        "train the bundle": seconds["train"][0],
        "build the index": seconds["index"][0],
        "start the server": serve_seconds,
        "run the campaigns": campaign_seconds,
    }
    summary = {
        "name": "demo",
        **describe_environment(),
        "parameters": parameters,
        "pool": {"size": len(task.pool_y), "test_size": len(task.test_y)},
        "seeds": list(range(parameters["seeds"])),
        "step_seconds": stage_seconds,
        "strategies": {name: curves.summarize(each) for name, each in records.items()},
        "gallery": {name: value for name, value in gallery.items() if name != "rows"},
        "runs": {name: [_without_pixels(record) for record in each] for name, each in records.items()},
    }
    write_json(out / "summary.json", summary)
    write_text(out / "report.html", render_report(summary, records, gallery, task))
    _print_table(records, parameters)
    print(f"\n{time.perf_counter() - started:.0f} s in all. Summary: {out / 'summary.json'}")
    print(f"Open the report: {(out / 'report.html').resolve()}")
    print(_closing_line(records, parameters))
    return 0


def _train(out: Path, parameters: dict[str, Any]) -> None:
    flags = {
        "--generator": parameters["generator"],
        "--features": parameters["features"],
        "--iterations": parameters["iterations"],
        "--autoencoder-iterations": parameters["autoencoder_iterations"],
        "--width": parameters["width"],
        "--learning-rate": parameters["learning_rate"],
        "--threads": 1,  # 8x8 images are too small to split, and the demo shares its machine with whatever else runs
    }
    given = [str(part) for pair in flags.items() for part in pair]
    run_tool(
        "dowser-trainer",
        "train",
        "--data",
        out / "pool.npy",
        "--out",
        out / "bundle",
        "--run",
        out / "run",
        *given,
    )


def _build_index(out: Path) -> None:
    run_tool(
        "dowser-server",
        "index",
        "build",
        "--bundle",
        out / "bundle",
        "--pool",
        out / "pool.npy",
        "--name",
        "digits",
        "--out",
        out / "index",
    )


def _step(
    store: UnitStore, name: str, makes: list[Path], action: Callable[[], None], *, again: bool = False
) -> tuple[float, bool]:
    """Do a step unless it is done; return the seconds it took when it was, and whether that was now."""
    done = store.load(name)
    if done is not None and not again and all(path.exists() for path in makes):
        print(f"      done before in {done['seconds']:.1f} s; --fresh repeats it", flush=True)
        return done["seconds"], False
    for path in makes:
        shutil.rmtree(path, ignore_errors=True)
    started = time.perf_counter()
    action()
    seconds = time.perf_counter() - started
    store.save(name, {"seconds": seconds})
    print(f"      {seconds:.1f} s", flush=True)
    return seconds, True


def _say(number: int, what: str) -> None:
    print(f"[{number}/5] {what}", flush=True)


def _without_pixels(record: dict[str, Any]) -> dict[str, Any]:
    """Return what of a record goes into the summary: everything but the bulky lists of each round."""
    kept = ("round", "trained_on", "pool_ids", "label_counts", "scored", "match_gap", "seconds")
    rounds = [{name: each[name] for name in kept} for each in record["rounds"]]
    return {"labels": record["labels"], "accuracy": record["accuracy"], "rounds": rounds}


def _print_table(records: dict[str, list[dict[str, Any]]], parameters: dict[str, Any]) -> None:
    shown = [labels for labels in TABLE_LABELS if labels <= parameters["max_labels"]]
    heads = [f"{labels} labels" for labels in shown]
    print(f"\ntest accuracy in %, mean ± std of {parameters['seeds']} seeds")
    print(
        f"{'strategy':<12}"
        + "".join(f"{head:>15}" for head in heads)
        + f"{'scored/round':>14}{'s/selection':>13}"
    )
    for name, each in records.items():
        cells = []
        for labels in shown:
            mean, spread = curves.accuracy_at(each, labels) or (float("nan"), float("nan"))
            cells.append(f"{100 * mean:.1f} ± {100 * spread:.1f}")
        scored = curves.mean_of(each, "scored") or 0.0
        row = "".join(f"{cell:>15}" for cell in cells)
        print(f"{name:<12}{row}{scored:>14.0f}{curves.median_seconds(each, 'select'):>13.3f}")


def _closing_line(records: dict[str, list[dict[str, Any]]], parameters: dict[str, Any]) -> str:
    labels = max(at for at in TABLE_LABELS if at <= parameters["max_labels"])
    values: dict[str, float | str] = {}
    for name, each in records.items():
        found = curves.accuracy_at(each, labels)
        values[f"{name}_{labels}"] = found[0] if found else float("nan")
    return last_line("demo", values)
