"""Callers in threads, a sampler of the server's memory and handles, and what they came to."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import shutil
import threading
import time
from collections import Counter
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
from client import Client

NAME = "soak"
CAMPAIGNS = 4
SAMPLE_SECONDS = 5.0
WINDOWS = 60  # that the run is cut into, for the figure
PAUSE_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--minutes", type=float, help="how long (30; with --quick 0.3)")
    parser.add_argument("--clients", type=int, default=16, help="callers at the same time (16)")
    parser.add_argument("--work", type=Path, help="folder of what can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    seconds = 60 * (options.minutes or (0.3 if options.quick else 30))
    work: Path = options.work or options.out / "work"
    service = prepare_digits(work)
    state = work / "state-soak"
    shutil.rmtree(state, ignore_errors=True)
    server = ServerProcess(service, state)
    samples: list[dict[str, float]] = []
    try:
        with Client.connect(server.start()) as client:
            for number in range(CAMPAIGNS):
                client.create_campaign(f"soak-{number}", seed=number)
            callers = [
                Caller(service, f"soak-{number % CAMPAIGNS}", seed=number)
                for number in range(options.clients)
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
            with tqdm(total=round(seconds), desc="soak", unit="s") as bar:
                while (now := time.monotonic() - started) < seconds and server.is_alive():
                    samples.append({"time": now, **footprint(server)})
                    bar.update(int(now) - bar.n)
                    time.sleep(min(SAMPLE_SECONDS, seconds / 30))
            stop.set()
            for thread in threads:
                thread.join()
        died = not server.is_alive()
        status = None if died else server.stop()
    finally:
        if server.is_alive():
            server.kill()
    records = sorted((record for caller in callers for record in caller.records), key=lambda r: r.began)
    result = {
        "name": NAME,
        **describe_environment(),
        "parameters": {
            "minutes": seconds / 60,
            "clients": options.clients,
            "campaigns": CAMPAIGNS,
            "pause_seconds": PAUSE_SECONDS,
        },
        "server_died": died,
        "exit_status": status,
        "errors": dict(Counter(f"{r.method}: {r.error}" for r in records if r.error)),
        "methods": _by_method(records),
        "thirds": _thirds(samples),
        "samples": {key: [round(each[key], 3) for each in samples] for key in samples[0]},
        "windows": _windows(records),
    }
    write_json(options.out / f"{NAME}.json", result)
    plots.save(_figure(result), options.out / f"{NAME}.png")
    print(f"results in {options.out}")
    errors = sum(result["errors"].values()) + died + (status not in (0, None))
    growth = result["thirds"]["memory_mb"]["last_to_middle"] - 1
    print(last_line(NAME, {"errors": errors, "memory_growth": float(growth)}))
    return 1 if errors else 0


def footprint(server: ServerProcess) -> dict[str, float]:
    """Return the memory [MB] and open handles of a server and its workers together."""
    import psutil

    memory, handles, processes = 0.0, 0, 0
    for process in server.family():
        with contextlib.suppress(psutil.Error):
            memory += process.memory_full_info().uss / 2**20
            handles += process.num_fds()
            processes += 1
    return {"memory_mb": memory, "handles": float(handles), "processes": float(processes)}


def _by_method(records: Sequence[CallRecord]) -> dict[str, Any]:
    methods = sorted({record.method for record in records})
    return {
        method: {
            "calls": len(taken),
            "p50_ms": 1000 * float(np.percentile(taken, 50)),
            "p99_ms": 1000 * float(np.percentile(taken, 99)),
        }
        for method in methods
        if (taken := [r.seconds for r in records if r.method == method and not r.error])
    }


def _thirds(samples: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    thirds = np.array_split(np.arange(len(samples)), 3)
    told: dict[str, Any] = {}
    for key in ("memory_mb", "handles"):
        means = [float(np.mean([samples[i][key] for i in third])) for third in thirds]
        told[key] = {"means": means, "last_to_middle": means[2] / means[1]}
    return told


def _windows(records: Sequence[CallRecord]) -> dict[str, list[float]]:
    """Cut the run into windows of equal length; the records are in the order in which they began."""
    edges = np.linspace(0, np.nextafter(records[-1].began, np.inf), WINDOWS + 1)
    windows: dict[str, list[float]] = {"time": [], "calls": [], "p50_ms": [], "p99_ms": [], "errors": []}
    for begin, end in itertools.pairwise(edges):
        inside = [record for record in records if begin <= record.began < end]
        taken = [1000 * record.seconds for record in inside if record.method == "select"]
        windows["time"].append(float(begin))
        windows["calls"].append(len(inside))
        windows["errors"].append(sum(bool(record.error) for record in inside))
        windows["p50_ms"].append(float(np.percentile(taken, 50)) if taken else 0.0)
        windows["p99_ms"].append(float(np.percentile(taken, 99)) if taken else 0.0)
    return windows


def _figure(result: Mapping[str, Any]) -> Any:
    made, (left, middle, right) = plots.figure(3, width=5.0, height=3.6)
    windows, samples = result["windows"], result["samples"]
    minutes = np.array(windows["time"]) / 60
    left.plot(minutes, windows["p50_ms"], color=plots.COLORS["dowser"], label="p50")
    left.plot(minutes, windows["p99_ms"], color=plots.COLORS["subset"], label="p99")
    left.set_ylim(bottom=0)
    left.legend(frameon=False)
    plots.label_axes(left, x="minutes", y="milliseconds", title="SelectSamples, seen by the callers")
    middle.plot(np.array(samples["time"]) / 60, samples["memory_mb"], color=plots.COLORS["exhaustive"])
    middle.set_ylim(bottom=0)
    plots.label_axes(middle, x="minutes", y="MB", title="memory of server and workers (USS)")
    right.plot(np.array(samples["time"]) / 60, samples["handles"], color=plots.COLORS["plain"])
    right.set_ylim(bottom=0)
    plots.label_axes(right, x="minutes", y="open files and sockets", title="handles of server and workers")
    return made
