"""The measurement: ascents, then searches and whole rounds on each pool, CPU and GPU in one run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import UnitStore, last_line, write_json
from benchmarks.gpu.ascents import Way, make_ways, step_ms
from benchmarks.gpu.machine import describe_gpu, missing
from benchmarks.gpu.networks import make_models
from benchmarks.gpu.pools import PoolFiles, make_pool, open_index_folder
from benchmarks.gpu.rounds import Onto, time_rounds
from benchmarks.gpu.searches import COUNTS, KINDS, OpenPool, measure

NAME = "gpu"
SIZES = "16m,100m"
QUICK_SIZES, QUICK_FACTORY = "10k,12k", "IVF16_HNSW8,Flat"
BUDGETS = COUNTS
WIDTH, QUICK_WIDTH = 64, 1
STEPS, QUICK_STEPS = 100, 3
TURNS, QUICK_TURNS = 20, 1
CPU_SECONDS, QUICK_SECONDS = 60.0, 1.0
_UNITS = {"k": 1_000, "m": 1_000_000}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="default %(default)s")
    parser.add_argument("--sizes", help=f"pools to make ({SIZES}; with --quick {QUICK_SIZES})")
    parser.add_argument(
        "--index",
        type=Path,
        action="append",
        default=[],
        help="an index of `dowser-server index build` instead of pools of --sizes; may be given again",
    )
    parser.add_argument("--kinds", default=",".join(KINDS), help="indexes on the GPU (%(default)s)")
    parser.add_argument("--turns", type=int, help=f"rounds and searches of each kind ({TURNS})")
    parser.add_argument(
        "--cpu-seconds",
        type=float,
        help=f"longest time for all rounds of a kind on the CPU ({CPU_SECONDS:g}); fewer, then shorter, beyond",
    )
    parser.add_argument(
        "--threads", type=int, default=available_cores(), help="of the CPU's side (the cores)"
    )
    parser.add_argument("--again", action="store_true", help="measure anew what an earlier run finished")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package. Returns 2 where there is no GPU to measure."""
    if options.device == "cuda" and (lacks := missing()):
        for each in lacks:
            print(f"{NAME}: {each}", file=sys.stderr)
        print(
            f"{NAME}: not run. benchmarks/README.md says which wheels a GPU machine needs; --quick --device cpu goes "
            "through every step without one",
            file=sys.stderr,
        )
        return 2
    turns = options.turns or (QUICK_TURNS if options.quick else TURNS)
    limit = options.cpu_seconds or (QUICK_SECONDS if options.quick else CPU_SECONDS)
    kinds = [kind for kind in options.kinds.split(",") if kind]
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise BenchmarkError(f"--kinds {','.join(unknown)}: choose among {', '.join(KINDS)}")
    sizes = _sizes(options)
    steps = QUICK_STEPS if options.quick else STEPS
    width = QUICK_WIDTH if options.quick else WIDTH
    work = options.out / "work"
    parameters = {
        "device": options.device,
        "threads": options.threads,
        "turns": turns,
        "steps": steps,
        "width": width,
        "cpu_seconds": limit,
        "budgets": list(BUDGETS),
    }
    machine = describe_gpu()
    units = UnitStore(work / "units", {**parameters, **machine})
    ways = make_ways(make_models(width), options.device, threads=options.threads)
    bench = _Bench(ways, units, parameters, kinds, again=options.again)
    ascents = bench.ascents()
    pools = {}
    for files in _pools(options, sizes, work):
        print(f"pool {files.label}: {len(files.features)} x {files.features.shape[1]}")
        pools[files.label] = bench.pool(files)
    result = {
        "name": NAME,
        **describe_environment(),
        "device": machine,
        "parameters": {**parameters, "kinds": kinds},
        "step_ms": ascents,
        "captured": {way.name: way.captures() for way in ways},
        "pools": pools,
    }
    write_json(options.out / "gpu.json", result)
    print(f"results in {options.out}")
    print(last_line(NAME, _summary(pools)))
    return 0


class _Bench:
    """What is measured with, and what is finished."""

    def __init__(
        self,
        ways: list[Way],
        units: UnitStore,
        parameters: Mapping[str, Any],
        kinds: list[str],
        *,
        again: bool,
    ) -> None:
        self._ways = {way.name: way for way in ways}
        self._units = units
        self._given = parameters
        self._kinds = kinds
        self._again = again

    def ascents(self) -> dict[str, Any]:
        """Return milliseconds a step by way and number of latents."""
        if (done := self._finished("ascents")) is not None:
            return done
        told: dict[str, Any] = {}
        for name, way in self._ways.items():
            most = self._given["steps"]
            steps, turns = (min(5, most), 2) if name == "cpu" else (most, min(5, self._given["turns"]))
            told[name] = {str(count): step_ms(way, count, steps, turns) for count in BUDGETS}
            print(f"{name}: {told[name]} ms a step")
        self._units.save("ascents", told)
        return told

    def pool(self, files: PoolFiles) -> dict[str, Any]:
        """Return searches and rounds on the CPU and with each kind of copy on the GPU."""
        told: dict[str, Any] = {
            "size": len(files.features),
            "feature_dim": files.features.shape[1],
            "nprobe": files.nprobe,
            "build_seconds": files.seconds,
            "built_recall_at_10": files.recall_at_10,
        }
        for kind in (None, *self._kinds):
            name = kind or "cpu"
            unit = f"{files.label}-{name}"
            done = self._finished(unit)
            if done is None:
                done = self._side(files, kind)
                self._units.save(unit, done)
            told[name] = done
            print(f"{unit}: {_brief(done)}")
        return told

    def _side(self, files: PoolFiles, kind: str | None) -> dict[str, Any]:
        device, threads = self._given["device"], self._given["threads"]
        pool = OpenPool(files, threads=threads, kind=kind, device=device)
        try:
            if kind is not None and pool.gpu is None:
                return {"not_run": "the index could not be put on the GPU; the log above says why"}
            searches = measure(pool, turns=self._given["turns"], threads=threads)
            ways = [self._ways["cpu"]] if kind is None else [self._ways[name] for name in self._fast()]
            rounds = {}
            for way in ways:
                onto = Onto.fitted(way, pool)
                rounds[way.name] = {
                    str(budget): time_rounds(
                        way,
                        pool,
                        onto,
                        budget,
                        turns=self._given["turns"],
                        steps=self._given["steps"],
                        most_seconds=self._given["cpu_seconds"],
                    )
                    for budget in BUDGETS
                }
            return {**searches, "rounds": rounds}
        finally:
            pool.close()

    def _fast(self) -> list[str]:
        return [name for name in ("bound", "captured", "tf32") if name in self._ways]

    def _finished(self, unit: str) -> dict[str, Any] | None:
        return None if self._again else self._units.load(unit)


def _sizes(options: argparse.Namespace) -> dict[str, int]:
    """Return the sizes of the pools to make by their labels."""
    sizes = options.sizes or (QUICK_SIZES if options.quick else SIZES)
    try:
        return {
            label.lower(): int(float(label[:-1]) * _UNITS[label[-1].lower()]) for label in sizes.split(",")
        }
    except (KeyError, ValueError, IndexError):
        raise BenchmarkError(f"--sizes {sizes}: sizes are such as 500k or 16m") from None


def _pools(options: argparse.Namespace, sizes: Mapping[str, int], work: Path) -> list[PoolFiles]:
    if options.index:
        return [open_index_folder(folder) for folder in options.index]
    factory = QUICK_FACTORY if options.quick else None
    return [
        make_pool(label, size, work, threads=options.threads, factory=factory)
        for label, size in sizes.items()
    ]


def _summary(pools: Mapping[str, Any]) -> dict[str, float | str]:
    """Return the last line's values: of ten picks on the first pool, and of searches for ten on each; the best copy."""
    first = next(iter(pools.values()))
    budget = str(BUDGETS[0])
    rounds = [
        each[budget]["round_ms"]["p50"]
        for kind in KINDS
        for each in first.get(kind, {}).get("rounds", {}).values()
    ]
    values: dict[str, float | str] = {"round_ms": "none", "vs_cpu": "none"}
    if rounds:
        values["round_ms"] = min(rounds)
        values["vs_cpu"] = first["cpu"]["rounds"]["cpu"][budget]["round_ms"]["p50"] / min(rounds)
    for label, pool in pools.items():
        found = [
            pool[kind]["search_ms"][budget]["p50"] for kind in KINDS if "search_ms" in pool.get(kind, {})
        ]
        values[f"search_ms_{label}"] = min(found) if found else "none"
    return values


def _brief(told: Mapping[str, Any]) -> str:
    if "not_run" in told:
        return str(told["not_run"])
    search = {count: round(each["p50"], 3) for count, each in told["search_ms"].items()}
    rounds = {
        name: {budget: round(each["round_ms"]["p50"], 1) for budget, each in by_budget.items()}
        for name, by_budget in told["rounds"].items()
    }
    return f"recall@10 {told['recall_at_10']:.3f}, search ms {search}, round ms {rounds}"
