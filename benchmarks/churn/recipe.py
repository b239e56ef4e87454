"""One server, one pool, changes in rounds, one compaction."""

from __future__ import annotations

import argparse
import contextlib
import math
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.common import plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import WithEmbedding, train_classifier
from benchmarks.common.environment import describe_environment
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.processes import run_tool, serving
from benchmarks.common.results import last_line, write_json
from client import ClassifierExporter, Client, Dowser
from query_server.models import Bundle, Runtime, synthetic_features

NAME = "churn"
LABELS = 300
ROUNDS = 5
ADDED, REMOVED = 0.15, 0.10  # of the samples the index was built of
NEW_CLASSES = 2
QUERIES, K = 512, 10
SELECTIONS, QUICK_SELECTIONS = 30, 3
BUDGET, MAX_SCORED = 10, 1000
POINTS = ("before", "churned", "during", "compacted")

Features = NDArray[np.float32]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--pool", default="mnist", help="which one (default: mnist)")
    parser.add_argument("--bundles", type=Path, help="folder with bundle_POOL; without it one is trained")
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    torch.set_num_threads(1)
    work: Path = (options.work or options.out / "work") / options.pool
    pool = find_pool(options.pool)
    task = pool.load(work)
    bundle = prepare_pool(pool, task, work, bundles=options.bundles).bundle
    first, added, removed = _plan(task)
    index = _build(task, first, bundle, work, name=options.pool)
    opened = Bundle.open(bundle, Runtime(device="cpu", threads=2))
    queries = synthetic_features(opened, QUERIES)
    features = _encode(opened, task)
    selections = QUICK_SELECTIONS if options.quick else SELECTIONS
    state = work / "state-churn"
    shutil.rmtree(state, ignore_errors=True)
    recalls: dict[str, float] = {}
    seconds: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(
            serving(bundle=bundle, index=index, state=state, threads=2, options=("--compact-after", "0"))
        )
        client = stack.enter_context(Client.connect(target, timeout_seconds=900))
        select = _prepared(client, task, first)
        alive = first
        recalls["before"] = _recall(client, queries, features, alive)
        seconds["before"] = [select() for _ in range(selections)]
        for part, gone in tqdm(zip(added, removed, strict=True), desc="changes", total=ROUNDS, unit="round"):
            client.add_samples(np.asarray(task.pool_raw[part]), pool_ids=part.astype(np.uint64))
            client.remove_samples(gone)
            alive = np.setdiff1d(np.concatenate([alive, part]), gone)
        recalls["churned"] = _recall(client, queries, features, alive)
        seconds["churned"] = [select() for _ in range(selections)]
        seconds["during"], compacted = _while_compacting(target, select)
        recalls["compacted"] = _recall(client, queries, features, alive)
        seconds["compacted"] = [select() for _ in range(selections)]
        served = client.get_pool()
    p50 = {point: 1000 * float(np.median(seconds[point])) for point in POINTS}
    result = {
        "name": NAME,
        **describe_environment(),
        "pool": options.pool,
        "index": served.index_factory,
        "indexed": len(first),
        "added": int(sum(map(len, added))),
        "removed": int(sum(map(len, removed))),
        "queries": QUERIES,
        "selection": {"budget": BUDGET, "max_scored": MAX_SCORED, "labels": LABELS},
        "recall_at_10": recalls,
        "p50_ms": p50,
        "p99_ms": {point: 1000 * float(np.percentile(seconds[point], 99)) for point in POINTS},
        "selections": {point: len(seconds[point]) for point in POINTS},
        "compaction_seconds": compacted,
    }
    write_json(options.out / f"{NAME}.json", result)
    plots.save(_figure(recalls, seconds), options.out / f"{NAME}.png")
    print(f"results in {options.out}")
    told = {f"recall_{point}": recall for point, recall in recalls.items()}
    print(last_line(NAME, {**told, "p50_ratio_during": p50["during"] / p50["churned"]}))
    return 0


def _plan(task: LabelingTask) -> tuple[NDArray[np.int64], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Return the rows indexed at first, those added in each round, and those removed in each."""
    rng = np.random.default_rng(0)
    size = len(task.pool_y)
    add = int(size * ADDED / (1 + ADDED))
    new = task.pool_y >= task.classes - NEW_CLASSES
    order = rng.permutation(size)
    order = np.concatenate([order[new[order]], order[~new[order]]])  # the new classes first
    first = np.sort(order[add:])
    removed = rng.choice(first, int(len(first) * REMOVED), replace=False)
    return first, np.array_split(order[:add], ROUNDS), np.array_split(removed, ROUNDS)


def _build(task: LabelingTask, rows: NDArray[np.int64], bundle: Path, work: Path, *, name: str) -> Path:
    """Build inverted lists over some rows, under their own numbers as ids; a flat index would find everything."""
    nlist = 2 ** round(math.log2(4 * math.sqrt(len(rows))))
    np.savez(work / "first.npz", x=np.asarray(task.pool_raw[rows]), pool_ids=rows.astype(np.uint64))
    index = work / "index-churn"
    options = ("--key", "x", "--factory", f"IVF{nlist},Flat", "--name", name, "--overwrite")
    places = ("--bundle", bundle, "--pool", work / "first.npz", "--out", index)
    run_tool("dowser-server", "index", "build", *places, *options)
    return index


def _encode(bundle: Bundle, task: LabelingTask) -> Features:
    """Return the features float32 [N, D] of all samples."""
    chunks = range(0, len(task.pool_y), 4096)
    parts = [bundle.preprocessing.to_input(np.asarray(task.pool_raw[at : at + 4096])) for at in chunks]
    return np.concatenate([bundle.encode(part) for part in tqdm(parts, desc="encode", unit="chunk")])


def _prepared(client: Client, task: LabelingTask, rows: NDArray[np.int64]) -> Callable[[], float]:
    """Label, train and upload; return what times one selection and gives its samples back."""
    pool = client.get_pool()
    labeled = np.random.default_rng(0).choice(rows, min(LABELS, len(rows) // 4), replace=False)
    labels = task.pool_y[labeled]
    module = train_classifier(task.plan, pool.to_inputs(np.asarray(task.pool_raw[labeled])), labels, seed=0)
    uploaded = client.upload_classifier(ClassifierExporter(pool.input_shape)(WithEmbedding(module)))
    campaign = client.create_campaign(NAME, seed=0)
    client.record_labels(campaign, zip(labeled.tolist(), labels.tolist(), strict=True))

    def select() -> float:
        started = time.perf_counter()
        selection = client.select_samples(
            campaign, classifier=uploaded, budget=BUDGET, strategy=Dowser(max_scored=MAX_SCORED)
        )
        seconds = time.perf_counter() - started
        client.release_samples(campaign, selection.pool_ids)
        return seconds

    for _ in range(2):  # the classifier is compiled, and there are latents to start from
        select()
    return select


def _recall(client: Client, queries: Features, features: Features, alive: NDArray[np.int64]) -> float:
    """Return recall@10 of the served pool on queries [Q, D], against the features of what is alive."""
    found = client.search_neighbors(features=queries, k=K)
    held = features[alive]
    squares = np.einsum("nd,nd->n", held, held)
    hits = 0
    for query, ids in zip(queries, found.pool_ids, strict=True):
        near = np.argpartition(squares - 2 * held @ query, K - 1)[:K]
        tenth = np.linalg.norm(held[near].astype(np.float64) - query, axis=1).max()
        distances = np.linalg.norm(features[ids.astype(np.int64)].astype(np.float64) - query, axis=1)
        hits += int((distances <= tenth * (1 + 1e-6)).sum())
    return hits / (K * len(queries))


def _while_compacting(target: str, select: Callable[[], float]) -> tuple[list[float], float]:
    """Select for as long as the pool is compacted; return the seconds of each selection and of the compaction."""
    done: list[float] = []

    def compact() -> None:
        with Client.connect(target, timeout_seconds=900) as client:
            done.append(client.compact_pool().seconds)

    thread = threading.Thread(target=compact)
    thread.start()
    seconds = [select()]
    while thread.is_alive():
        seconds.append(select())
    thread.join()
    return seconds, done[0]


def _figure(recalls: dict[str, float], seconds: dict[str, list[float]]) -> Any:
    made, (left, right) = plots.figure(2, width=4.6, height=3.6)
    left.bar(list(recalls), list(recalls.values()), color=plots.COLORS["dowser"], width=0.6)
    left.set_ylim(min(0.8, *recalls.values()), 1)
    plots.label_axes(left, x="", y="recall@10", title="synthetic queries")
    right.boxplot([[1000 * each for each in seconds[point]] for point in POINTS], tick_labels=POINTS)
    plots.label_axes(right, x="", y="milliseconds", title="one selection")
    return made
