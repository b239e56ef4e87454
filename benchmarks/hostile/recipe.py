"""Quiet and hostile phases in turns under the same normal load, so that their latencies compare."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.common import plots
from benchmarks.common.environment import describe_environment
from benchmarks.common.load import Caller, CallRecord
from benchmarks.common.results import last_line, write_json
from benchmarks.common.service import ServerProcess, prepare_digits
from benchmarks.hostile.corpus import HostileModel, corpus
from benchmarks.soak.recipe import footprint
from client import Batch, BatchRule, Client, Dowser, DowserError, Exhaustive

NAME = "hostile"
CLIENTS = 4
PAUSE_SECONDS = 0.25
TURNS = 2  # quiet and hostile phases, each
QUIET_SECONDS = 60.0
DEADLINE_SECONDS = 20.0  # of the hostile calls


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--work", type=Path, help="folder of what can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    work: Path = options.work or options.out / "work"
    service = prepare_digits(work)
    state = work / "state-hostile"
    shutil.rmtree(state, ignore_errors=True)
    server = ServerProcess(service, state)
    models = corpus()[::9] if options.quick else corpus()
    turns, quiet_seconds = (1, 5.0) if options.quick else (TURNS, QUIET_SECONDS)
    outcomes: list[dict[str, Any]] = []
    phases: list[tuple[str, float, float]] = []
    memory: dict[str, float] = {}
    try:
        with Client.connect(server.start()) as client:
            pid = server.pid
            for number in range(CLIENTS):
                client.create_campaign(f"normal-{number}", seed=number)
            client.create_campaign("hostile", seed=0)
            callers = [
                Caller(service, f"normal-{number}", seed=number, live=False) for number in range(CLIENTS)
            ]
            stop, started = threading.Event(), time.monotonic()
            threads = [
                threading.Thread(
                    target=caller.work, args=(client, started, stop), kwargs={"pause": PAUSE_SECONDS}
                )
                for caller in callers
            ]
            for thread in threads:
                thread.start()
            time.sleep(quiet_seconds / 4)  # the first calls compile
            memory["before_mb"] = footprint(server)["memory_mb"]
            with tqdm(total=turns * len(models), desc="hostile models", unit="model") as bar:
                for turn in range(turns):
                    phases.append(_quiet(started, quiet_seconds))
                    began = time.monotonic() - started
                    for model in models:
                        outcome = _attack(client, model)
                        if turn == 0:
                            outcomes.append(outcome)
                        bar.update()
                        if not server.is_alive():
                            break
                    phases.append(("hostile", began, time.monotonic() - started))
            phases.append(_quiet(started, quiet_seconds))
            memory["after_mb"] = footprint(server)["memory_mb"]
            stop.set()
            for thread in threads:
                thread.join()
            deaths = int(not server.is_alive() or server.pid != pid)
        if not deaths:
            server.stop()
    finally:
        if server.is_alive():
            server.kill()
    records = [record for caller in callers for record in caller.records]
    result = {
        "name": NAME,
        **describe_environment(),
        "parameters": {"clients": CLIENTS, "pause_seconds": PAUSE_SECONDS, "turns": turns},
        "models": {
            each["name"]: {key: value for key, value in each.items() if key != "name"} for each in outcomes
        },
        "accepted_and_harmless": sum(each["outcome"] == "served" for each in outcomes),
        "unexpected": [each["name"] for each in outcomes if not each["expected"]],
        "server_deaths": deaths,
        "errors_of_others": sum(bool(record.error) for record in records),
        "memory": memory,
        "phases": {name: _latencies(records, phases, name) for name in ("quiet", "hostile")},
        "select_phases": {
            name: _latencies([r for r in records if r.method == "select"], phases, name)
            for name in ("quiet", "hostile")
        },
    }
    write_json(options.out / f"{NAME}.json", result)
    plots.save(_figure(records, phases), options.out / f"{NAME}.png")
    for name in result["unexpected"]:
        print(f"not as expected: {name}: {result['models'][name]['outcome']}")
    print(f"results in {options.out}")
    ratio = result["phases"]["hostile"]["p99_ms"] / result["phases"]["quiet"]["p99_ms"]
    print(last_line(NAME, {"models": len(models), "server_deaths": deaths, "p99_ratio": float(ratio)}))
    return 1 if deaths or result["unexpected"] else 0


def _quiet(started: float, seconds: float) -> tuple[str, float, float]:
    began = time.monotonic() - started
    time.sleep(seconds)
    return "quiet", began, began + seconds


def _attack(client: Client, model: HostileModel) -> dict[str, Any]:
    """Upload a model and, where it is taken, use it in every way: scores of few and of all, ascents, embeddings."""
    patient = client.with_timeout(DEADLINE_SECONDS)
    began = time.monotonic()
    outcome, code, message = "served", "", ""
    try:
        uploaded = patient.upload_classifier(model.data)
        for strategy in (Dowser(max_scored=40, steps=5, shares={"synthesis": 1.0}), Exhaustive()):
            patient.select_samples(
                "hostile", classifier=uploaded, budget=2, strategy=strategy, batch=Batch(rule=BatchRule.BADGE)
            )
    except DowserError as error:
        outcome, message = error.reason or error.grpc_code.name, error.message
        code = error.metadata.get("code", "")
    with contextlib.suppress(DowserError):
        leases = client.list_leases("hostile")
        if len(leases):
            client.release_samples("hostile", leases)
    late = outcome == "DEADLINE_EXCEEDED"  # the caller's own limit, before the server's
    refused = outcome in model.reasons and (not model.codes or not code or code in model.codes)
    return {
        "name": model.name,
        "outcome": outcome,
        "expected": refused or late or (outcome == "served" and model.may_pass),
        "code": code,
        "message": message[:200],
        "seconds": round(time.monotonic() - began, 3),
    }


def _latencies(
    records: Sequence[CallRecord], phases: Sequence[tuple[str, float, float]], name: str
) -> dict[str, float]:
    taken = [
        record.seconds
        for kind, begin, end in phases
        if kind == name
        for record in records
        if begin <= record.began < end
    ]
    return {
        "calls": len(taken),
        "seconds": sum(end - begin for kind, begin, end in phases if kind == name),
        "p50_ms": 1000 * float(np.percentile(taken, 50)),
        "p99_ms": 1000 * float(np.percentile(taken, 99)),
    }


def _figure(records: Sequence[CallRecord], phases: Sequence[tuple[str, float, float]]) -> Any:
    made, (ax,) = plots.figure(width=9.0, height=3.8)
    for kind, begin, end in phases:
        if kind == "hostile":
            ax.axvspan(begin, end, color=plots.COLORS["plain"], alpha=0.12, linewidth=0)
    calls: Mapping[str, str] = {"select": plots.COLORS["dowser"], "campaign": plots.COLORS["exhaustive"]}
    for method, color in calls.items():
        chosen = [record for record in records if record.method == method]
        ax.plot(
            [record.began for record in chosen],
            [1000 * record.seconds for record in chosen],
            ".",
            color=color,
            label=method,
            markersize=4,
        )
    ax.set_yscale("log")
    ax.legend(frameon=False)
    plots.label_axes(
        ax,
        x="seconds",
        y="milliseconds",
        title="normal callers; shaded: hostile models are uploaded and used",
    )
    return made
