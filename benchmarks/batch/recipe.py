"""Score jobs and the reference in turns."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import psutil
import torch

from benchmarks.common.classifiers import train_classifier
from benchmarks.common.environment import available_cores, describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.pool_bundles import prepare_pool
from benchmarks.common.pools import find_pool
from benchmarks.common.processes import serving
from benchmarks.common.results import last_line, write_json
from client import ClassifierExporter, Client, ScoreJobState
from graphs import forward
from query_server.acquisition import acquisition_function

NAME = "batch"
ACQUISITION = "margin"
LABELS = 300
TURNS, QUICK_TURNS = 3, 1
QUICK_SAMPLES = 10_000
NICENESS = 10  # as a job's workers have


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recipe's own options."""
    parser.add_argument("--pool", default="mnist-1m", help="which pool (default %(default)s)")
    parser.add_argument("--samples", type=int, help="score the first so many (default: all of the pool)")
    parser.add_argument(
        "--bundles", type=Path, help="folder with bundle_POOL folders; what it has not is trained"
    )
    parser.add_argument("--work", type=Path, help="folder of what is large or can be made again (OUT/work)")
    parser.add_argument("--threads", type=int, default=available_cores(), help="of both sides (the cores)")


def run(options: argparse.Namespace) -> int:
    """Run the recipe; see the package."""
    torch.set_num_threads(1)
    work: Path = options.work or options.out / "work"
    pool = find_pool("digits" if options.quick else options.pool)
    task = pool.load(work)
    served = prepare_pool(pool, task, work / pool.name, bundles=options.bundles)
    count = min(len(task.pool_y), options.samples or (QUICK_SAMPLES if options.quick else len(task.pool_y)))
    turns = []
    with (
        serving(
            bundle=served.bundle,
            index=served.index,
            state=work / pool.name / "state-batch",
            threads=options.threads,
        ) as target,
        Client.connect(target, timeout_seconds=600) as client,
    ):
        ids = task.random_initial_ids(LABELS, 0).astype(np.int64)
        described = client.get_pool()
        module = train_classifier(
            task.plan, described.to_inputs(task.pool_raw[ids]), task.pool_y[ids], seed=0
        )
        data = ClassifierExporter(described.input_shape)(module)
        classifier = client.upload_classifier(data)
        head = acquisition_function(ACQUISITION).head(task.classes)
        graph = work / pool.name / "batch.onnx"
        graph.write_bytes(forward(onnx.load_from_string(data), head).SerializeToString())
        for _ in range(QUICK_TURNS if options.quick else TURNS):
            bare = _bare(graph, served.index / "samples.npy", count, options.threads)
            job = _job(client, classifier.classifier_id, count)
            turns.append({"onnxruntime": bare, "job": job, "ratio": bare["seconds"] / job["seconds"]})
            print(
                f"onnxruntime {bare['seconds']:.2f} s, job {job['seconds']:.2f} s, ratio {turns[-1]['ratio']:.3f}"
            )
    ratio = float(np.median([turn["ratio"] for turn in turns]))
    cpu_ratio = float(
        np.median([turn["onnxruntime"]["cpu_seconds"] / turn["job"]["cpu_seconds"] for turn in turns])
    )
    result = {
        "name": NAME,
        **describe_environment(),
        "parameters": {
            "pool": pool.name,
            "samples": count,
            "threads": options.threads,
            "acquisition": ACQUISITION,
            "niceness": NICENESS,
        },
        "turns": turns,
        "vs_onnxruntime": ratio,
        "cpu_vs_onnxruntime": cpu_ratio,
    }
    write_json(options.out / "batch.json", result)
    print(f"results in {options.out}")
    print(last_line(NAME, {"vs_onnxruntime": ratio}))
    return 0


def _bare(graph: Path, samples: Path, count: int, threads: int) -> dict[str, Any]:
    given = {
        "graph": str(graph),
        "samples": str(samples),
        "count": count,
        "threads": threads,
        "niceness": NICENESS,
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch.bare", json.dumps(given)],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode:
        raise BenchmarkError(f"the reference failed:\n{done.stderr}")
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _job(client: Client, classifier: str, count: int) -> dict[str, Any]:
    """Run a job over the first samples; return its seconds and what its scores come to."""
    size = client.get_pool().size
    cpu_before = _cpu_seconds()
    job = client.start_score_pool(
        classifier, acquisitions=(ACQUISITION,), pool_ids=None if count == size else range(count)
    )
    while not job.state.has_ended:
        time.sleep(0.2)
        job = client.get_score_job(job)
    if job.state is not ScoreJobState.DONE or job.end_time is None:
        raise BenchmarkError(f"the job is {job.state}: {job.error}")
    seconds = (job.end_time - job.create_time).total_seconds()
    return {
        "seconds": seconds,
        "cpu_seconds": _cpu_seconds() - cpu_before,
        "rows_per_second": job.size / seconds,
        "shards": job.shard_count,
    }


def _cpu_seconds() -> float:
    """Return the processor time of the server and its workers, those that have ended included."""
    server = next(
        child for child in psutil.Process().children() if "dowser-server" in " ".join(child.cmdline())
    )
    total = 0.0
    for process in (server, *server.children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
        if process == server:
            total += times.children_user + times.children_system
    return total
