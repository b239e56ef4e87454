"""``dowser-server score``: score an index without a server, on this machine or on Ray."""

from __future__ import annotations

import argparse
import os
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.errors import invalid_argument


def add_commands(commands: Any) -> None:
    """Add ``score``."""
    score = commands.add_parser(
        "score", help="score an index's samples into Parquet shards, without a server"
    )
    score.set_defaults(run=_score)
    score.add_argument("--bundle", type=Path, required=True, help="the bundle's folder")
    score.add_argument("--index", type=Path, required=True, help="the index's folder")
    score.add_argument("--classifier", type=Path, required=True, help="an ONNX file")
    score.add_argument("--out", type=Path, required=True, help="the folder; run again, the command goes on")
    score.add_argument(
        "--acquisition", action="append", help="a column of scores; repeatable (default: margin)"
    )
    score.add_argument("--ids", type=Path, help=".npy of pool ids (default: all)")
    score.add_argument("--probabilities", action="store_true", help="write class probabilities")
    score.add_argument("--embedding", action="store_true", help="write the classifier's embedding")
    score.add_argument("--shard-size", type=int, default=100_000, help="rows of a shard (100000)")
    add_engine(score)
    score.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads of a shard")
    score.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to score; on Ray auto is the CPU, cuda a GPU a shard",
    )


def add_engine(command: argparse.ArgumentParser) -> None:
    """Add where a command does its long part."""
    command.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: on a Ray cluster whose nodes all see these files under the same paths",
    )
    command.add_argument(
        "--ray-address", help="the cluster's HOST:PORT (default: RAY_ADDRESS, else this machine alone)"
    )


def _score(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from query_server.offline_scoring import OfflineSetup, score

    run, device = None, arguments.device
    cluster: AbstractContextManager[None] = nullcontext()
    if arguments.engine == "ray":
        from query_server.ray_scoring import run_on_ray
        from query_server.ray_tasks import connected, device_on_nodes

        run, device, cluster = run_on_ray, device_on_nodes(device), connected(arguments.ray_address)
    setup = OfflineSetup(
        bundle=arguments.bundle.resolve(),
        index=arguments.index.resolve(),
        threads=arguments.threads,
        device=device,
    )
    with cluster, tqdm(unit="rows", unit_scale=True, desc="score", disable=None) as bar:

        def progress(done: int, size: int) -> None:
            bar.total = size
            bar.update(done - bar.n)

        folder = score(
            setup,
            classifier=arguments.classifier,
            out=arguments.out,
            acquisitions=arguments.acquisition or ["margin"],
            pool_ids=None if arguments.ids is None else _ids(arguments.ids),
            probabilities=arguments.probabilities,
            embedding=arguments.embedding,
            shard_size=arguments.shard_size,
            run=run,
            progress=progress,
        )
    print(f"scored {sum(shard.rows for shard in folder.shards)} samples in {arguments.out}")
    return 0


def _ids(path: Path) -> NDArray[np.uint64]:
    try:
        ids = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise invalid_argument("ids", str(path), f"a .npy file ({error})") from None
    if ids.ndim != 1 or ids.dtype.kind not in "ui":
        raise invalid_argument("ids", f"{ids.dtype} {list(ids.shape)}", "integers [n]")
    if ids.size and ids.min() < 0:
        raise invalid_argument("ids", int(ids.min()), "pool ids, which are not negative")
    return np.asarray(ids, np.uint64)
