"""One server, and callers by numbers."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import plots
from benchmarks.common.classifiers import WithEmbedding, train_classifier
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.processes import serving
from benchmarks.common.results import last_line, write_json
from benchmarks.throughput.callers import Driven, FreshClassifiers, drive
from client import ClassifierExporter, Client

NAME = "throughput"
CLIENTS = "1,2,8,32"
LABELS = 300
SECONDS, QUICK_SECONDS = 60.0, 4.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--clients", default=CLIENTS, help=f"numbers of callers ({CLIENTS})")
    parser.add_argument("--pool", help="which pool (mnist; with --quick digits)")
    parser.add_argument("--seconds", type=float, help=f"counted for each number at least ({SECONDS:g})")
    parser.add_argument("--threads", type=int, default=available_cores(), help="of the server (the cores)")
    parser.add_argument(
        "--bundles", type=Path, help="folder with bundle_POOL folders; what it has not is trained"
    )
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")
    parser.add_argument("--serve", default="", help="more flags of the server, as one string")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    torch.set_num_threads(1)
    counts = _counts(options.clients)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    pool = find_pool(options.pool or ("digits" if options.quick else "mnist"))
    work: Path = options.work or options.out / "work"
    task = pool.load(work)
    served = prepare_pool(pool, task, work / pool.name, bundles=options.bundles)
    state = work / pool.name / "state-throughput"
    shutil.rmtree(state, ignore_errors=True)
    driven: dict[int, list[Driven]] = {count: [] for count in counts}
    with (
        serving(
            bundle=served.bundle,
            index=served.index,
            state=state,
            threads=options.threads,
            options=options.serve.split(),
        ) as target,
        Client.connect(target, timeout_seconds=600) as client,
    ):
        inputs = client.get_pool()
        ids = task.random_initial_ids(LABELS, 0).astype(np.int64)
        labels = task.pool_y[ids]
        module = train_classifier(task.plan, inputs.to_inputs(task.pool_raw[ids]), labels, seed=0)
        classifiers = FreshClassifiers(ClassifierExporter(inputs.input_shape)(WithEmbedding(module)))
        campaigns = [f"{NAME}-{number}" for number in range(max(counts))]
        for number, campaign in enumerate(campaigns):
            client.create_campaign(campaign, seed=number)
            client.record_labels(campaign, zip(ids.tolist(), labels.tolist(), strict=True))
        for count in (*counts, *reversed(counts)):
            print(f"{count} callers, {seconds / 2:g} s", flush=True)
            driven[count].append(
                drive(client, campaigns[:count], classifiers, budget=pool.budget, seconds=seconds / 2)
            )
    measured = {str(count): summary(count, driven[count]) for count in counts}
    fewest, most = measured[str(min(counts))], measured[str(max(counts))]
    ratio = most["rounds_per_second"] / fewest["rounds_per_second"]
    result = {
        "name": NAME,
        **describe_environment(),
        "parameters": {
            "pool": pool.name,
            "pool_size": len(task.pool_y),
            "seconds": seconds,
            "budget": pool.budget,
            "threads": options.threads,
            "serve": options.serve,
        },
        "clients": measured,
        "ratio": ratio,
        "quick": options.quick,
    }
    write_json(options.out / f"{NAME}.json", result)
    plots.save(_figure(measured), options.out / f"{NAME}.png")
    print(f"results in {options.out}")
    print(last_line(NAME, {f"ratio_{max(counts)}_{min(counts)}": ratio, "fairness": most["fairness"]}))
    return 0


def summary(count: int, driven: Sequence[Driven]) -> dict[str, Any]:
    """Return what came of one number of callers.

    The fair share is the time a round would take if all callers were served in turn: callers / (rounds a second).

    Raises:
        BenchmarkError: Nothing came to its end in time.
    """
    times = np.array([call.ended - call.began for each in driven for call in each.rounds])
    waits = np.array([call.ended - call.began for each in driven for call in each.questions])
    seconds = sum(each.seconds for each in driven)
    if not len(times) or not len(waits):
        raise BenchmarkError(
            f"with {count} callers nothing came to its end in {seconds:.0f} s; give more --seconds"
        )
    rate = len(times) / seconds
    return {
        "rounds": len(times),
        "seconds": seconds,
        "rounds_per_second": rate,
        "cpu_seconds_per_round": sum(each.cpu_seconds for each in driven) / len(times),
        "fair_share_seconds": count / rate,
        "p50_seconds": float(np.percentile(times, 50)),
        "p99_seconds": float(np.percentile(times, 99)),
        "fairness": float(np.percentile(times, 99)) * rate / count,
        "question_p50_ms": 1000 * float(np.percentile(waits, 50)),
        "question_p99_ms": 1000 * float(np.percentile(waits, 99)),
        "round_seconds": np.round(np.sort(times), 4).tolist(),
    }


def _counts(given: str) -> list[int]:
    try:
        counts = sorted({int(part) for part in given.split(",")})
    except ValueError:
        counts = []
    if len(counts) < 2 or counts[0] < 1:
        raise BenchmarkError(f"--clients is {given!r}; it takes two or more numbers from 1, as in {CLIENTS}")
    return counts


def _figure(measured: Mapping[str, Mapping[str, Any]]) -> Any:
    made, (left, right) = plots.figure(2, width=5.6, height=3.6)
    names = list(measured)
    left.bar(
        names,
        [each["rounds_per_second"] for each in measured.values()],
        color=plots.COLORS["dowser"],
        width=0.6,
    )
    plots.label_axes(left, x="callers", y="rounds a second, all callers")
    for name, each in measured.items():
        share = np.array(each["round_seconds"]) / each["fair_share_seconds"]
        right.plot(share, np.linspace(0, 1, len(share)), label=f"{name} callers", linewidth=2)
    right.axvline(1, color=plots.MUTED, linewidth=0.8)
    right.set_xlim(left=0)
    right.legend(frameon=False, fontsize=8)
    plots.label_axes(right, x="time of a round / fair share", y="part of the rounds")
    return made
