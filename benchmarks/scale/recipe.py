"""Pools built, rounds measured in turns, and what came of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.common import plots
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import UnitStore, last_line, read_json, write_json, write_text
from benchmarks.scale.building import NAME, Bench, build, remove
from benchmarks.scale.building import built as built_before
from benchmarks.scale.figures import rounds_figure, worth_figure
from benchmarks.scale.findings import Findings
from benchmarks.scale.pools import GrownPool
from benchmarks.scale.report import render_report
from benchmarks.scale.rounds import BUDGET, MAX_SCORED, Turns
from benchmarks.scale.sizes import (
    QUICK_RAW_LIMIT,
    QUICK_SIZES,
    RAW_LIMIT,
    SIZES,
    Size,
    base_of,
    parse_sizes,
)
from query_server.files import sha256_of

SESSIONS, QUICK_SESSIONS = 10, 1
WARM_UP, QUICK_WARM_UP = 3, 1
ROUNDS, QUICK_ROUNDS = 5, 2

_Group = tuple[tuple[Size, ...], tuple[str, ...]]  # what one run measures: sizes, and their calls


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--sizes",
        help=f"pools to measure, any of them ({SIZES}; with --quick {QUICK_SIZES}); SIZE@RECALL tunes one to its own",
    )
    parser.add_argument("--bundle", type=Path, required=True, help="folder of a bundle trained on MNIST")
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")
    parser.add_argument(
        "--threads", type=int, default=available_cores(), help="of builds and servers (the cores)"
    )
    parser.add_argument("--recall-target", type=float, default=0.95, help="that indexes are tuned to (0.95)")
    parser.add_argument("--sessions", type=int, help=f"campaigns of each size and call ({SESSIONS})")
    parser.add_argument(
        "--exhaustive-turns",
        type=int,
        default=ROUNDS,
        help="campaigns that begin with exhaustive scoring, each with another classifier (default %(default)s)",
    )
    parser.add_argument("--serve", default="", help="more flags of the servers, as one string")
    parser.add_argument("--keep", action="store_true", help="keep pools and indexes, for `--only latency`")
    parser.add_argument(
        "--only",
        choices=("build", "latency", "report"),
        help="one part: build (implies --keep), measure rounds anew on what --keep left, or write the report again",
    )


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    torch.set_num_threads(1)
    limit = QUICK_RAW_LIMIT if options.quick else RAW_LIMIT
    sizes = parse_sizes(options.sizes or (QUICK_SIZES if options.quick else SIZES), raw_limit=limit)
    with_samples = [size for size in sizes if size.has_samples]
    work: Path = options.work or options.out / "work"
    digest = sha256_of(options.bundle / "manifest.json")
    store = UnitStore(work / "units", {"bundle": digest, "recall_target": options.recall_target})
    bench = Bench(
        bundle=options.bundle,
        work=work,
        grown=GrownPool(work / "pool", with_samples[-1].count),
        threads=options.threads,
        recall_target=options.recall_target,
    )
    grown, built = _built(bench, sizes, store, options.only)
    if options.only == "build":
        print(f"built in {work}")
        return 0
    turns = {
        name: _turned(bench, group, calls, store, options) for name, (group, calls) in _groups(sizes).items()
    }
    result = {
        "name": NAME,
        **describe_environment(),
        "parameters": {
            "sizes": {size.name: size.count for size in sizes},
            "base": base_of(sizes).name,
            "budget": BUDGET,
            "max_scored": MAX_SCORED,
            "threads": options.threads,
            "recall_target": options.recall_target,
            "serve": options.serve,
            "bundle": digest,
            "training": _training(options.bundle),
        },
        "grown": grown,
        "built": built,
        "turns": turns,
        "quick": options.quick,
    }
    findings = Findings(result)
    result["findings"] = findings.told()
    write_json(options.out / f"{NAME}.json", result)
    plots.save(rounds_figure(findings), options.out / "rounds.png")
    plots.save(worth_figure(findings), options.out / "worth.png")
    write_text(options.out / "REPORT.md", render_report(result, findings))
    if not options.keep and options.only is None:
        for size in sizes:
            remove(bench, size)
    print(f"results in {options.out}")
    print(last_line(NAME, findings.last_line()))
    return 0


def _built(
    bench: Bench, sizes: Sequence[Size], store: UnitStore, only: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what growing and building took; do what is not done, unless only other parts are asked for."""
    with_samples = [size for size in sizes if size.has_samples]
    grown = store.load("grow") or {}
    if only in ("latency", "report"):
        built = {size.name: built_before(size, store) for size in sizes}
        missing = [name for name, each in built.items() if each is None]
        if missing:
            raise BenchmarkError(f"not built yet: {', '.join(missing)}; run with --only build first")
        return grown, built
    grown = bench.grown.grow(store, bench.threads)
    built = {}
    for size in sizes:
        encoded = None if size.has_samples else with_samples[-1]
        built[size.name] = build(bench, size, encoded, store)
    return grown, built


def _groups(sizes: Sequence[Size]) -> dict[str, _Group]:
    """Return what is measured in one run: all sizes with samples, and each without beside the base."""
    with_samples = tuple(size for size in sizes if size.has_samples)
    groups: dict[str, _Group] = {"with_samples": (with_samples, ("select", "plain"))}
    for size in sizes:
        if not size.has_samples:
            groups[size.name] = ((base_of(sizes), size), ("propose", "plain"))
    return groups


def _turned(
    bench: Bench,
    group: Sequence[Size],
    calls: Sequence[str],
    store: UnitStore,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Measure a group in turns, unless it is measured and nothing asks for it anew."""
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    sessions = options.sessions or (QUICK_SESSIONS if options.quick else SESSIONS)
    warm_up = QUICK_WARM_UP if options.quick else WARM_UP
    unit = "turns-" + "-".join(size.name for size in group)
    protocol = {
        "rounds": rounds,
        "exhaustive_turns": options.exhaustive_turns,
        "warm_up": warm_up,
        "threads": bench.threads,
        "serve": options.serve,
    }
    kept = store.narrowed(protocol)
    whole = kept.narrowed({"sessions": sessions})
    done = whole.load(unit)
    if options.only == "report" and done is None:
        raise BenchmarkError(f"{unit} is not measured yet; run without --only report")
    if done is not None and options.only != "latency":
        return done
    missing = [size.name for size in group if not bench.index(size).exists()]
    if missing:
        raise BenchmarkError(
            f"no index of {', '.join(missing)} in {bench.work}; build with --keep or --only build"
        )
    environment = describe_environment()
    if options.only == "latency":
        for path in (bench.work / "units").glob("session-*.json"):
            if path.name.startswith("-".join(["session", *(size.name for size in group), ""])):
                kept.discard(path.stem)
    turns = Turns(bench, group, calls, rounds=rounds, exhaustive_turns=options.exhaustive_turns)
    measured = turns.run(sessions, options.serve.split(), warm_up=warm_up, kept=kept)
    result = environment | {"sizes": measured}
    whole.save(unit, result)
    return result


def _training(bundle: Path) -> dict[str, Any]:
    """Return what the bundle's manifest says of its training."""
    manifest = read_json(bundle / "manifest.json")
    metrics, training = manifest.get("metrics", {}), manifest.get("training", {})
    rate, iterations = metrics.get("iterations_per_second"), training.get("iterations")
    return {
        "generator": manifest["generator"],
        "iterations": iterations,
        "iterations_per_second": rate,
        "seconds": float(iterations) / rate if rate and iterations else None,
    }
