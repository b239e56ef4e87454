"""Chunks of kills, each on a fresh state with its own witness, two at a time; finished chunks are not repeated."""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import UnitStore, last_line, write_json
from benchmarks.common.service import DigitsService, ServerProcess, prepare_digits
from benchmarks.crash.actors import Actor
from benchmarks.crash.harm import full_disk, kill_worker, tear
from benchmarks.crash.witness import Witness
from client import Client, NotFoundError, RetryPolicy

NAME = "crash"
CHUNK = 50
CAMPAIGNS = ("one", "two")
ACTORS = 3  # of each campaign
LIFE_SECONDS = (0.02, 1.2)  # between the first write after a start and the kill
PARAMETERS: dict[str, Any] = {
    "chunk": CHUNK,
    "campaigns": len(CAMPAIGNS),
    "actors": ACTORS,
    "life_seconds": LIFE_SECONDS,
    "while_starting": 0.1,
    "torn": 0.3,
    "worker": 0.2,
    "full_disk": 0.1,
}
_NO_RETRY = RetryPolicy(max_attempts=1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--kills", type=int, help="how often the server is killed (1000; with --quick 6)")
    parser.add_argument("--work", type=Path, help="folder of what can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    kills = options.kills or (6 if options.quick else 1000)
    work: Path = options.work or options.out / "work"
    service = prepare_digits(work)
    chunks = {f"chunk-{number}": min(CHUNK, kills - number * CHUNK) for number in range(-(-kills // CHUNK))}
    store = UnitStore(work / "chunks", PARAMETERS)
    results: dict[str, dict[str, Any]] = {}
    todo = {}
    for number, (name, size) in enumerate(chunks.items()):
        done = store.load(name)
        if done is not None and done["kills"] >= size:
            results[name] = done
        else:
            todo[name] = (number, size)
    spawn = multiprocessing.get_context("spawn")
    with (
        tqdm(total=kills, initial=sum(each["kills"] for each in results.values()), unit="kill") as bar,
        ProcessPoolExecutor(min(2, available_cores()), mp_context=spawn) as pool,
    ):
        futures = {
            pool.submit(run_chunk, service, work / "states" / name, seed=number, kills=size): name
            for name, (number, size) in todo.items()
        }
        for future in as_completed(futures):
            name = futures[future]
            results[name] = future.result()
            store.save(name, results[name])
            bar.update(results[name]["kills"])
    ordered = [results[name] for name in chunks]
    violations = [text for each in ordered for text in each["violations"]]
    result = {
        "name": NAME,
        **describe_environment(),
        "parameters": PARAMETERS,
        "kills": sum(each["kills"] for each in ordered),
        "violations": violations,
        "harm": _sum(each["harm"] for each in ordered),
        "acknowledged": _sum(each["acknowledged"] for each in ordered),
        "refused": _sum(each["refused"] for each in ordered),
        "restart_seconds": _spread([s for each in ordered for s in each["restart_seconds"]]),
        "seconds": sum(each["seconds"] for each in ordered),
    }
    write_json(options.out / f"{NAME}.json", result)
    for text in violations[:20]:
        print(f"violation: {text}")
    print(f"results in {options.out}")
    print(last_line(NAME, {"kills": result["kills"], "violations": len(violations)}))
    return 1 if violations else 0


def run_chunk(service: DigitsService, state: Path, *, seed: int, kills: int) -> dict[str, Any]:
    """Kill a server so often on one state; return what was seen."""
    started = time.monotonic()
    shutil.rmtree(state, ignore_errors=True)
    state.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    witness = Witness(CAMPAIGNS)
    server = ServerProcess(service, state)
    harm: Counter[str] = Counter()
    restarts: list[float] = []
    try:
        with Client.connect(server.start(), retry=_NO_RETRY) as client:
            classifiers = tuple(client.upload_classifier(data).classifier_id for data in service.classifiers)
            for name in CAMPAIGNS:
                client.create_campaign(name, seed=seed, request_id=f"create-{name}")
        actors = [
            Actor(
                f"{campaign}-{number}",
                campaign,
                witness,
                classifiers=classifiers,
                samples=service.raw,
                seed=1000 * seed + 10 * index + number,
            )
            for index, campaign in enumerate(CAMPAIGNS)
            for number in range(ACTORS)
        ]
        server.kill()
        for _ in range(kills):
            began = time.monotonic()
            target = _start(server, rng, harm)
            restarts.append(time.monotonic() - began)
            with Client.connect(target, retry=_NO_RETRY, timeout_seconds=30) as client:
                check(client, witness)
                _resolve(client, actors, witness)
                _live(client, server, actors, rng, harm)
            harm["kill"] += 1
            if rng.random() < PARAMETERS["torn"]:
                harm["torn files"] += tear(state, rng)
        with Client.connect(server.start(), retry=_NO_RETRY) as client:
            check(client, witness)
        if server.stop() != 0:
            witness.accuse("server: SIGTERM did not end it with status 0")
    finally:
        if server.is_alive():
            server.kill()
    return {
        "kills": kills,
        "violations": witness.violations,
        "harm": dict(harm),
        "acknowledged": _sum(actor.tally.acknowledged for actor in actors),
        "refused": _sum(actor.tally.refused for actor in actors),
        "restart_seconds": restarts,
        "seconds": time.monotonic() - started,
    }


def check(client: Client, witness: Witness) -> None:
    """Hold what a quiet server has against what it acknowledged."""
    for name in CAMPAIGNS:
        listed = [(label.pool_id, label.label) for label in client.list_labels(name)]
        witness.check_labels(name, listed)
        witness.check_leases(name, client.list_leases(name).tolist())
        told = client.get_campaign(name)
        if told.labeled != len(listed):
            witness.accuse(f"{name}: says {told.labeled} labels and lists {len(listed)}")
    present = witness.added_samples()
    if present:
        stored = client.get_samples(np.array(list(present), np.uint64))
        for (id_, expected), found in zip(present.items(), stored, strict=True):
            if found.tobytes() != expected:
                witness.accuse(f"pool: the added sample {id_} has other bytes")
    for id_ in witness.removed_samples()[-20:]:
        try:
            client.get_samples(np.array([id_], np.uint64))
        except NotFoundError:
            continue
        witness.accuse(f"pool: the removed sample {id_} is there")


def _start(server: ServerProcess, rng: np.random.Generator, harm: Counter[str]) -> str:
    while rng.random() < PARAMETERS["while_starting"]:
        server.launch()
        time.sleep(float(rng.uniform(0.0, 2.0)))
        server.kill()
        harm["kill while starting"] += 1
    return server.start()


def _resolve(client: Client, actors: list[Actor], witness: Witness) -> None:
    """Send again what was left open; then give back leases of selections that nobody got an answer to."""
    for actor in actors:
        if not actor.resolve(client):
            raise BenchmarkError("a server that nobody hurt did not answer")
    for name in CAMPAIGNS:
        unknown = witness.check_leases(name, client.list_leases(name).tolist())
        if unknown:
            client.release_samples(name, np.array(unknown, np.uint64))


def _live(
    client: Client, server: ServerProcess, actors: list[Actor], rng: np.random.Generator, harm: Counter[str]
) -> None:
    """Let the actors write, hurt the server, and kill it at a random instant."""
    stop = threading.Event()
    threads = [threading.Thread(target=actor.work, args=(client, stop)) for actor in actors]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + float(rng.uniform(*LIFE_SECONDS))
    if rng.random() < PARAMETERS["worker"]:
        time.sleep(float(rng.uniform(0.0, 0.5)))
        harm["worker killed"] += kill_worker(server, rng)
    if rng.random() < PARAMETERS["full_disk"]:
        with full_disk(server):
            harm["disk full"] += 1
            time.sleep(0.2)
        deadline += 0.3
    time.sleep(max(0.0, deadline - time.monotonic()))
    server.kill()
    stop.set()
    for thread in threads:
        thread.join()


def _sum(tables: Iterator[Mapping[str, int]] | Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(sorted(total.items()))


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "p50": float(np.percentile(values, 50)),
        "p99": float(np.percentile(values, 99)),
        "max": float(np.max(values)),
    }
