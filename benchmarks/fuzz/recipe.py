"""The attack in parts, with a look at the server after each."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import time
from pathlib import Path
from random import Random

import numpy as np
import psutil
import torch
from tqdm import tqdm

from benchmarks.common import plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import WithEmbedding, train_classifier
from benchmarks.common.environment import describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.processes import serving
from benchmarks.common.results import last_line, write_json
from benchmarks.fuzz.attack import Attack, Outcome
from benchmarks.fuzz.messages import Hints
from benchmarks.fuzz.methods import all_methods
from client import ClassifierExporter, ClassifierInfo, Client, Dowser, NotFoundError

NAME = "fuzz"
POOL = "digits"
CAMPAIGN = "fuzzed"
LABELS = 100
ACQUISITIONS = ("maximum_entropy", "margin", "least_confidence", "minimum_distance")
MOST_LATENTS = 4096
PARTS = 50
MESSAGES, QUICK_MESSAGES = 100_000, 2000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--messages", type=int, help=f"calls and connections to make (default: {MESSAGES:,})")
    parser.add_argument("--concurrency", type=int, default=24, help="at the same time (default: 24)")
    parser.add_argument("--seed", type=int, default=0, help="of what is sent (default: 0)")
    parser.add_argument("--work", type=Path, help="folder of what can be made again (OUT/work)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package. Returns 1 where the server was at fault."""
    torch.set_num_threads(1)
    work: Path = options.work or options.out / "work"
    messages = options.messages or (QUICK_MESSAGES if options.quick else MESSAGES)
    pool = find_pool(POOL)
    task = pool.load(work)
    served = prepare_pool(pool, task, work / POOL, bundles=None)
    state = work / "state"
    # The rate limit is lifted, or it would answer most of the calls; workers and queue stay as they are.
    flags = ("--caller-requests-per-second", "0", "--stream-idle-seconds", "5", "--log-level", "WARNING")
    with serving(bundle=served.bundle, index=served.index, state=state, threads=1, options=flags) as target:
        process = _server_process()
        with Client.connect(target) as client:
            hints = _prepared(client, task)
            attack = Attack(
                target=target,
                methods=all_methods(),
                hints=hints,
                paths=[str(path.resolve()) for path in (work, served.bundle, served.index)],
            )
            outcome = Outcome()
            random = Random(options.seed)
            started = time.perf_counter()
            memory, crashes = [_memory_mib(process)], 0
            for part in tqdm(range(PARTS), desc="attack", unit="part"):
                attempts = messages * (part + 1) // PARTS - outcome.attempts
                asyncio.run(attack.run(random, attempts, outcome, concurrency=options.concurrency))
                if not (process.is_running() and asyncio.run(attack.is_alive())):
                    crashes = 1
                    break
                _tidy(client)
                memory.append(_memory_mib(process))
    growth = _growth(memory)
    result = {
        "name": NAME,
        **describe_environment(),
        "seed": options.seed,
        "concurrency": options.concurrency,
        "messages": outcome.attempts,
        "seconds": time.perf_counter() - started,
        "statuses": {path: dict(counts.most_common()) for path, counts in sorted(outcome.statuses.items())},
        "crashes": crashes,
        "faults": outcome.faults,
        "examples": outcome.examples,
        "memory_mib": memory,
        "memory_growth": growth,
    }
    write_json(options.out / f"{NAME}.json", result)
    made, (ax,) = plots.figure(width=6.0, height=3.4)
    ax.plot(np.linspace(0, outcome.attempts, len(memory)), memory)
    ax.set_ylim(bottom=0)
    plots.label_axes(ax, x="messages", y="memory of the server, MiB")
    plots.save(made, options.out / f"{NAME}.png")
    print(f"results in {options.out}")
    for example in outcome.examples[:10]:
        print(example)
    values: dict[str, float | str] = {
        "messages": str(outcome.attempts),
        "crashes": str(crashes),
        "internal": str(outcome.faults),
        "memory_growth": growth,
    }
    print(last_line(NAME, values))
    return int(crashes > 0 or outcome.faults > 0)


def _prepared(client: Client, task: LabelingTask) -> Hints:
    """Make a campaign with labels and a classifier, which calls may know."""
    pool = client.get_pool()
    ids = task.random_initial_ids(LABELS, 0)
    labels = task.pool_y[ids.astype(np.int64)]
    inputs = pool.to_inputs(task.pool_raw[ids.astype(np.int64)])
    module = train_classifier(task.plan, inputs, labels, seed=0)
    uploaded = client.upload_classifier(ClassifierExporter(pool.input_shape)(WithEmbedding(module)))
    with contextlib.suppress(NotFoundError):
        client.delete_campaign(CAMPAIGN)
    campaign = client.create_campaign(CAMPAIGN)
    client.record_labels(campaign, zip(ids.tolist(), labels.tolist(), strict=True))
    _warm_up(client, uploaded)
    return Hints(
        strings={
            "campaign_id": (CAMPAIGN,),
            "name": (CAMPAIGN, *(f"campaign-{number}" for number in range(20))),
            "classifier_id": (uploaded.classifier_id,),
            "pool": ("", pool.name),
        },
        pool_size=pool.size,
    )


def _warm_up(client: Client, classifier: ClassifierInfo) -> None:
    """Ask for the most that is allowed of every compiled classifier the server keeps.

    ONNX Runtime keeps what its largest batch took, for each of a bounded number of compiled classifiers. That is no
    leak, and reached by chance it would look like one.
    """
    most = Dowser(max_scored=MOST_LATENTS, latents=MOST_LATENTS, steps=2, shares={"synthesis": 1})
    for acquisition in ACQUISITIONS:
        client.synthesize_samples(classifier, acquisition=acquisition, latents=MOST_LATENTS, steps=2)
        client.select_samples(
            CAMPAIGN,
            classifier=classifier,
            budget=1,
            acquisition=acquisition,
            class_prior_weight=1,
            strategy=most,
        )


def _tidy(client: Client) -> None:
    """Delete the campaigns that the attack made, which are no leak, and make the known one where it is gone."""
    campaigns = client.list_campaigns()
    for campaign in campaigns:
        if campaign.name != CAMPAIGN:
            client.delete_campaign(campaign.campaign_id)
    if not any(campaign.name == CAMPAIGN for campaign in campaigns):
        client.create_campaign(CAMPAIGN)


def _server_process() -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        if "serve" in child.cmdline():
            return child
    raise BenchmarkError("the server's process is not to be found")


def _memory_mib(process: psutil.Process) -> float:
    """Return the resident memory of the server and its workers."""
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += child.memory_info().rss
    return float(total / 2**20)


def _growth(memory: list[float]) -> float:
    """Return the last third's mean memory over the middle third's, less one."""
    third = len(memory) // 3
    if not third:
        return 0.0
    middle, last = np.mean(memory[third : 2 * third]), np.mean(memory[2 * third :])
    return float(last / middle - 1)
