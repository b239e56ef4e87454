"""Selections in this process, in turns: over the durable ledger on this disk, and over one that forgets."""

from __future__ import annotations

import argparse
import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.common.classifiers import train_classifier
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.results import last_line, write_json
from benchmarks.durability.forgetful import ForgetfulCampaign
from client import ClassifierExporter
from query_server.campaigns import CampaignStore, Label, Request
from query_server.models import Bundle, ClassifierStore, Runtime
from query_server.pool import Pool
from query_server.selection.service import SelectionService
from query_server.selection.values import DowserStrategy, Selection, SelectionRequest

NAME = "durability"
REQUESTS, QUICK_REQUESTS = 60, 3
LABELS = 300
CAMPAIGN = "price"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--pool", default="mnist", help="the pool (mnist; with --quick digits)")
    parser.add_argument("--bundles", type=Path, help="folder with bundle_POOL; trained where it is missing")
    parser.add_argument("--work", type=Path, help="folder of what can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    torch.set_num_threads(1)
    pool_recipe = find_pool("digits" if options.quick else options.pool)
    requests = QUICK_REQUESTS if options.quick else REQUESTS
    work: Path = options.work or options.out / "work"
    task = pool_recipe.load(work)
    served = prepare_pool(pool_recipe, task, work / pool_recipe.name, bundles=options.bundles)
    threads = available_cores()
    runtime = Runtime(device="cpu", threads=threads)
    bundle = Bundle.open(served.bundle, runtime)
    pool = Pool.open(
        served.index,
        expected_bundle_digest=bundle.digest,
        expected_encoder_sha256=bundle.encoder_sha256,
        threads=threads,
        device="cpu",
    )
    ids = task.random_initial_ids(LABELS, 0)
    classes = task.pool_y[ids.astype(np.int64)]
    labels = dict(zip(ids.tolist(), classes.tolist(), strict=True))
    module = train_classifier(task.plan, pool.inputs(pool.rows_of(ids)), classes, seed=0)
    classifiers = ClassifierStore(work / "classifiers", bundle=bundle, runtime=runtime)
    classifier = classifiers.add(ClassifierExporter(pool.input_shape)(module)).id

    state = work / "state-durability"
    shutil.rmtree(state, ignore_errors=True)
    ledger = CampaignStore.open(state / "ledger.sqlite")
    names = _request_ids()
    ledger.register_pool(pool.name, lambda: pool)
    ledger.create(CAMPAIGN, pool.name, 0, next(names))
    ledger.record_labels(CAMPAIGN, [Label(pool_id=i, label=c) for i, c in labels.items()], next(names))
    services = {
        "ledger": SelectionService(
            pools=lambda: pool, pool_name=pool.name, campaigns=ledger, classifiers=classifiers
        ),
        "none": SelectionService(
            pools=lambda: pool,
            pool_name=pool.name,
            campaigns=ForgetfulCampaign(CAMPAIGN, pool, pool.name, labels),
            classifiers=classifiers,
        ),
    }
    request = SelectionRequest(
        campaign_id=CAMPAIGN,
        classifier_id=classifier,
        acquisition="margin",
        budget=pool_recipe.budget,
        strategy=DowserStrategy(max_scored=pool_recipe.max_scored),
    )
    seconds: dict[str, list[float]] = {name: [] for name in services}
    for turn in tqdm(range(requests + 1), desc="selections", unit="pair"):
        order = list(services) if turn % 2 else list(reversed(services))
        for name in order:
            started = time.perf_counter()
            services[name].select(request, next(names), answer=_answer, checkpoint=_go_on)
            if turn:  # the first compiles the classifier
                seconds[name].append(time.perf_counter() - started)
    ledger.close()
    pool.close()
    medians = {name: float(np.median(each)) for name, each in seconds.items()}
    ratio = medians["ledger"] / medians["none"]
    result = {
        "name": NAME,
        **describe_environment(),
        "pool": {"name": pool_recipe.name, "size": pool.size},
        "parameters": {
            "requests": requests,
            "labels": LABELS,
            "budget": pool_recipe.budget,
            "max_scored": pool_recipe.max_scored,
        },
        "p50_ms": {name: 1000 * value for name, value in medians.items()},
        "p99_ms": {name: 1000 * float(np.percentile(each, 99)) for name, each in seconds.items()},
        "ratio": ratio,
    }
    write_json(options.out / f"{NAME}.json", result)
    print(f"results in {options.out}")
    print(last_line(NAME, {"ratio": ratio, "ledger_ms": 1000 * (medians["ledger"] - medians["none"])}))
    return 0


def _request_ids() -> Iterator[Request]:
    for number in itertools.count():
        yield Request(id=f"{NAME}-{number}", method="SelectSamples", fingerprint=b"")


def _answer(selection: Selection) -> bytes:
    return bytes(64 * len(selection.picks))  # about what a reply takes


def _go_on(_: str) -> None:
    """Nobody goes away."""
