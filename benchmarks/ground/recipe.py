"""Every trial on every pool, and the report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.common.environment import describe_environment
from benchmarks.common.pools import find_pool
from benchmarks.common.results import UnitStore, last_line, write_json, write_text
from benchmarks.ground.laboratory import Laboratory
from benchmarks.ground.report import mean_capture, over_rounds, render_report
from benchmarks.ground.trials import CAMPAIGNS, NEIGHBORS, SEARCHES, SUBSET

NAME = "ground"
POOLS, QUICK_POOLS = "mnist-rare,mnist", "digits"
# In parts of a campaign's labels beyond its first: which classifiers the searches are measured on.
_PARTS = (0.0, 0.2, 0.4, 0.6, 0.8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--pools", help=f"names, with commas ({POOLS}; with --quick {QUICK_POOLS}); see label-efficiency"
    )
    parser.add_argument("--seeds", type=int, help="runs of each trial (3; with --quick 1)")
    parser.add_argument("--work", type=Path, help="folder of what can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    started = time.perf_counter()
    torch.set_num_threads(1)
    seeds = options.seeds or (1 if options.quick else 3)
    names = (options.pools or (QUICK_POOLS if options.quick else POOLS)).split(",")
    work = options.work or options.out / "work"
    pools = {
        name: _measure(name, seeds, work, quick=options.quick) for name in (each.strip() for each in names)
    }
    result = {
        "name": NAME,
        **describe_environment(),
        "quick": options.quick,
        "seeds": seeds,
        "seconds": time.perf_counter() - started,
        **{f"pool {name}": each for name, each in pools.items()},
    }
    write_json(options.out / "ground.json", result)
    write_text(options.out / "REPORT.md", render_report(result, pools))
    print(f"results in {options.out}")
    closing: dict[str, float | str] = {}
    for name, pool in pools.items():
        key = name.replace("-", "_")
        for trial in (SUBSET, NEIGHBORS, "surrogate", "neighbors-surrogate", "task-neighbors"):
            closing[f"{key}_{trial.replace('-', '_')}"] = float(over_rounds(pool, trial).mean())
        closing[f"{key}_capture_surrogate"] = mean_capture(pool, "surrogate")
    print(last_line(NAME, closing))
    return 0


def _measure(name: str, seeds: int, work: Path, *, quick: bool) -> dict[str, Any]:
    recipe = find_pool(name)
    task = recipe.load(work)
    if quick:
        recipe = recipe.quick()
    laboratory = Laboratory(recipe, task, work / "classifiers")
    parameters = {
        "pool": recipe.name,
        "size": len(task.pool_y),
        "budget": recipe.budget,
        "max_scored": recipe.max_scored,
        "initial": recipe.initial,
        "max_labels": recipe.max_labels,
        "rare": list(recipe.rare),
        **task.plan.describe(),
    }
    store = UnitStore(work / "units" / recipe.name, parameters)
    span = recipe.max_labels - recipe.initial
    counts = [int(recipe.initial + part * span) for part in _PARTS]
    campaigns: dict[str, list[dict[str, Any]]] = {trial: [] for trial in CAMPAIGNS}
    captures: dict[str, list[list[float]]] = {trial: [] for trial in SEARCHES}
    with tqdm(total=seeds * (len(CAMPAIGNS) + 1), desc=name, unit="trial") as progress:
        for seed in range(seeds):
            found = store.load(f"captures-{seed}")
            if found is None:
                found = laboratory.captures(SEARCHES, counts, seed)
                store.save(f"captures-{seed}", found)
            for trial, values in found.items():
                captures[trial].append(np.round(values, 5).tolist())
            progress.update()
            for trial, spec in CAMPAIGNS.items():
                progress.set_postfix_str(f"{trial}, seed {seed}")
                record = store.load(f"{trial}-{seed}")
                if record is None:
                    record = laboratory.campaign(spec, seed)
                    store.save(f"{trial}-{seed}", record)
                campaigns[trial].append(record)
                progress.update()
    return {
        "text": recipe.text,
        "parameters": parameters,
        "classifiers of the searches": counts[1:],
        "campaigns": {
            trial: {
                "text": CAMPAIGNS[trial].text,
                "labels": records[0]["labels"],
                "balanced_accuracy": [np.round(each["balanced_accuracy"], 5).tolist() for each in records],
                "rare_found": [each["rare_found"][-1] for each in records],
            }
            for trial, records in campaigns.items()
        },
        "captures": {
            trial: {"text": SEARCHES[trial].text, "capture": values} for trial, values in captures.items()
        },
    }
