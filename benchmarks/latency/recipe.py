"""The measurement: server and reference take turns on the same state of the pool."""

from __future__ import annotations

import argparse
import contextlib
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from benchmarks.asal_mnist.task import load_mnist_task
from benchmarks.common import plots
from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import train_classifier
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.mnist_bundles import FEATURES, prepare
from benchmarks.common.processes import serving
from benchmarks.common.results import last_line, write_json
from benchmarks.latency.steady import measure_steady
from benchmarks.latency.torch_reference import TorchNetworks, TorchSelector, load_networks
from client import (
    Acquisition,
    Batch,
    BatchRule,
    CandidateSource,
    ClassifierExporter,
    ClassifierInfo,
    Client,
    Dowser,
    NotFoundError,
    Selection,
)

LATENTS = (10, 50)
STEPS = 100
STEP_SIZE = 0.05
MAX_SCORED = 1000
LABELED_PER_CLASS = 30
WARM_UP = 2
PAUSE_SECONDS = 0.05  # lets the other side's idle threads go to sleep
CAMPAIGN = "latency"
RUN_NAMES = ("run", "run_wgan")
SAME_ANSWER = (
    0.15  # relative difference of the picks' mean score, above which the two sides do different things
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument(
        "--bundles", type=Path, help="folder with trained bundle_KIND folders (default: train)"
    )
    parser.add_argument(
        "--run", type=Path, help="the trainer's run folder (default: run or run_wgan in --bundles)"
    )
    parser.add_argument("--features", choices=FEATURES, default=FEATURES[0], help="default %(default)s")
    parser.add_argument("--requests", type=int, help="timed requests of each kind (24; with --quick 4)")
    parser.add_argument(
        "--threads", type=int, default=available_cores(), help="of server and torch (the cores)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    out: Path = options.out
    requests = options.requests or (4 if options.quick else 24)
    _warn_if_busy()
    task = load_mnist_task()
    work = out / "work"
    kinds = (options.features,)
    served = prepare(task.pool_raw, work, features=kinds, bundles=options.bundles, quick=options.quick)[
        kinds[0]
    ]
    run_folder = options.run or _find_run(served.bundle.parent)
    torch.set_num_threads(options.threads)
    networks = load_networks(run_folder, served.bundle, kinds[0], work / "pool.npy")
    with (
        serving(
            bundle=served.bundle,
            index=served.index,
            state=work / "state",
            threads=options.threads,
        ) as target,
        Client.connect(target, timeout_seconds=600) as client,
    ):
        bench = _Bench(client, task, networks)
        measured = {str(latents): bench.measure(latents, requests) for latents in LATENTS}
        fresh = bench.measure_fresh_classifiers(max(3, requests // 4))
        steady = measure_steady(client, task, work, seeds=1 if options.quick else 3, quick=options.quick)
    result = {
        "name": "latency",
        **describe_environment(),
        "parameters": {
            "pool_size": len(task.pool_y),
            "labeled": LABELED_PER_CLASS * task.classes,
            "steps": STEPS,
            "step_size": STEP_SIZE,
            "max_scored": MAX_SCORED,
            "threads": options.threads,
            "requests": requests,
            "features": kinds[0],
        },
        "bundle": served.provenance(),
        "latents": measured,
        "fresh_classifier": fresh,
        "steady": steady,
    }
    write_json(out / "latency.json", result)
    plots.save(_figure(measured), out / "latency.png")
    for latents, each in measured.items():
        if not each["same_answer"]:
            print(
                f"WARNING: with {latents} latents the picks' mean score is {each['mean_score']:.3f} from the server "
                f"and {each['torch']['mean_score']:.3f} from torch: the two do not do the same"
            )
    print(f"results in {out}")
    largest = measured[str(LATENTS[-1])]
    values = {
        "torch_ratio": largest["torch"]["ratio"],
        "outside_share": largest["outside_share"],
        "p50_ms": largest["client_ms"]["p50"],
        "steady_speedup": steady["speedup"],
        "capture_now": steady["now"]["capture"],
        "capture_before": steady["before"]["capture"],
    }
    print(last_line("latency", values))
    return 0


def _warn_if_busy() -> None:
    """Threads that wait for each other suffer out of proportion on a busy machine, torch's most of all."""
    load = os.getloadavg()[0]
    if load > available_cores() / 2:
        print(
            f"WARNING: the load average is {load:.1f} on {available_cores()} cores; times, and the ratio to PyTorch, "
            "mean little unless the machine is idle. With --threads 1 the ratio suffers least"
        )


def _find_run(bundles: Path) -> Path:
    for name in RUN_NAMES:
        if (bundles / name / "config.json").exists():
            return bundles / name
    raise BenchmarkError(f"no run folder ({' or '.join(RUN_NAMES)}) in {bundles}; name it with --run")


class _Bench:
    """A campaign in one state, a classifier, and both ways to select."""

    def __init__(self, client: Client, task: LabelingTask, networks: TorchNetworks) -> None:
        self._client = client
        pool = client.get_pool()
        labeled = task.initial_ids(LABELED_PER_CLASS, 0)
        rows = labeled.astype(np.int64)
        self._plan = task.plan
        self._labeled = pool.to_inputs(task.pool_raw[rows]), task.pool_y[rows]
        classifier = self._train(0)
        self._exporter = ClassifierExporter(pool.input_shape)
        self._uploaded = client.upload_classifier(self._exporter(classifier))
        with contextlib.suppress(NotFoundError):
            client.delete_campaign(CAMPAIGN)
        self._campaign = client.create_campaign(CAMPAIGN)
        client.record_labels(self._campaign, zip(rows.tolist(), task.pool_y[rows].tolist(), strict=True))
        self._available = torch.ones(len(task.pool_y), dtype=torch.bool)
        self._available[torch.from_numpy(rows)] = False
        pool_x = torch.from_numpy(pool.to_inputs(task.pool_raw))
        with torch.inference_mode():
            features = torch.cat([networks.encoder(part) for part in torch.split(pool_x, 1000)])
        selector = partial(
            TorchSelector,
            classifier=classifier.requires_grad_(False),
            encoder=networks.encoder,
            pool_x=pool_x,
            pool_features=features,
            latent_dim=pool.latent_dim,
        )
        self._selectors = {
            "torch": selector(generator=networks.generator),
            "torch_folded": selector(generator=networks.folded_generator),
        }

    def _train(self, seed: int) -> nn.Sequential:
        return train_classifier(self._plan, *self._labeled, seed=seed)

    def measure(self, latents: int, requests: int) -> dict[str, Any]:
        """Return everything about selections of `latents` picks from as many latents."""
        sides = ("server", *self._selectors)
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        scores: dict[str, list[float]] = {side: [] for side in sides}
        torch_stages: list[dict[str, float]] = []
        replies: list[Selection] = []
        for turn in tqdm(range(-WARM_UP, requests), desc=f"{latents} latents", unit="turn"):
            shift = turn % len(sides)
            for side in sides[shift:] + sides[:shift]:  # nobody always goes first
                time.sleep(PAUSE_SECONDS)
                if side == "server":
                    elapsed, reply = self._ask(self._uploaded, latents, seed=turn + WARM_UP)
                    found = reply.scores.tolist()
                else:
                    selection = self._selectors[side].select(
                        self._available,
                        budget=latents,
                        latents=latents,
                        steps=STEPS,
                        step_size=STEP_SIZE,
                        max_scored=MAX_SCORED,
                        seed=turn + WARM_UP,
                    )
                    elapsed, found = selection.seconds, selection.scores
                if turn < 0:
                    continue
                seconds[side].append(elapsed)
                scores[side].append(float(np.mean(found)))
                if side == "server":
                    replies.append(reply)
                elif side == "torch":
                    torch_stages.append(selection.stages)
        engine = [sum(timing.engine_seconds for timing in reply.timings) for reply in replies]
        described: dict[str, Any] = {
            "client_ms": _percentiles(seconds["server"]),
            "server_total_ms": _percentiles([reply.total_seconds for reply in replies]),
            "outside_share": 1 - sum(engine) / sum(seconds["server"]),
            "stages_ms": _stages(replies),
            "mean_score": float(np.mean(scores["server"])),
            "scored": int(np.median([reply.scored for reply in replies])),
            "visited": int(np.median([reply.visited for reply in replies])),
            "client_seconds": seconds["server"],
        }
        for side in self._selectors:
            described[side] = {
                "ms": _percentiles(seconds[side]),
                "ratio": float(np.median(seconds[side]) / np.median(seconds["server"])),
                "mean_score": float(np.mean(scores[side])),
                "seconds": seconds[side],
            }
        described["torch"]["stages_ms"] = {
            name: 1000 * float(np.mean([stages[name] for stages in torch_stages])) for name in torch_stages[0]
        }
        ours, theirs = described["mean_score"], described["torch"]["mean_score"]
        described["same_answer"] = abs(ours - theirs) <= SAME_ANSWER * max(ours, theirs)
        return described

    def measure_fresh_classifiers(self, count: int) -> dict[str, Any]:
        """Time what a round really starts with: a classifier the server has never seen, at the larger size."""
        exports, uploads, firsts, prepares = [], [], [], []
        for seed in tqdm(range(1, count + 1), desc="fresh classifiers", unit="turn"):
            classifier = self._train(seed)
            time.sleep(PAUSE_SECONDS)
            started = time.perf_counter()
            model = self._exporter(classifier)
            exports.append(time.perf_counter() - started)
            started = time.perf_counter()
            uploaded = self._client.upload_classifier(model)
            uploads.append(time.perf_counter() - started)
            elapsed, reply = self._ask(uploaded, LATENTS[-1], seed=seed)
            firsts.append(elapsed)
            prepares.append(sum(timing.seconds for timing in reply.timings if timing.stage == "prepare"))
        return {
            "latents": LATENTS[-1],
            "export_ms": _percentiles(exports),
            "upload_ms": _percentiles(uploads),
            "first_select_ms": _percentiles(firsts),
            "prepare_ms": _percentiles(prepares),
        }

    def _ask(self, classifier: ClassifierInfo, latents: int, *, seed: int) -> tuple[float, Selection]:
        """Time one request at the client; give the samples back, so that the next one finds the same state."""
        strategy = Dowser(
            max_scored=MAX_SCORED,
            latents=latents,
            steps=STEPS,
            step_size=STEP_SIZE,
            warm_start=0.0,
            early_stop=0.0,
            shares={CandidateSource.SYNTHESIS: 1.0},
        )
        started = time.perf_counter()
        reply = self._client.select_samples(
            self._campaign,
            classifier=classifier,
            budget=latents,
            acquisition=Acquisition.MAXIMUM_ENTROPY,
            strategy=strategy,
            batch=Batch(rule=BatchRule.TOP),
            seed=seed,
        )
        elapsed = time.perf_counter() - started
        self._client.release_samples(self._campaign, reply.pool_ids)
        return elapsed, reply


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    values = 1000 * np.asarray(seconds)
    return {
        "p50": round(float(np.percentile(values, 50)), 3),
        "p99": round(float(np.percentile(values, 99)), 3),
        "mean": round(float(values.mean()), 3),
        "min": round(float(values.min()), 3),
    }


def _stages(replies: Sequence[Selection]) -> dict[str, dict[str, float]]:
    """Return the mean time of each stage and the part of it inside ONNX Runtime or FAISS."""
    names = dict.fromkeys(timing.stage for reply in replies for timing in reply.timings)
    stages: dict[str, dict[str, float]] = {}
    for name in names:
        timings = [timing for reply in replies for timing in reply.timings if timing.stage == name]
        stages[name] = {
            "mean": 1000 * sum(timing.seconds for timing in timings) / len(replies),
            "engine": 1000 * sum(timing.engine_seconds for timing in timings) / len(replies),
        }
    return stages


def _figure(measured: dict[str, dict[str, Any]]) -> Any:
    made, (left, right) = plots.figure(2, width=6.2, height=3.6)
    bars: dict[str, dict[str, float]] = {}
    for latents, each in measured.items():
        bars[f"Dowser, {latents} latents"] = {
            name: stage["mean"] for name, stage in each["stages_ms"].items()
        }
        bars[f"PyTorch, {latents} latents"] = each["torch"]["stages_ms"]
    plots.stacked_bars(left, bars)
    plots.label_axes(left, x="ms a selection, mean", y="")
    for latents, each in measured.items():
        line = "-" if latents == str(LATENTS[-1]) else "--"
        for name, seconds, color in (
            (f"Dowser, {latents} latents", each["client_seconds"], plots.COLORS["dowser"]),
            (f"PyTorch, {latents} latents", each["torch"]["seconds"], plots.COLORS["subset"]),
        ):
            right.plot(1000 * np.asarray(seconds), line, color=color, label=name)
    plots.label_axes(right, x="turn", y="ms a selection, at the client")
    right.set_ylim(bottom=0)
    right.legend(frameon=False, fontsize=8)
    return made
