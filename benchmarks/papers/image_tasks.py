"""Image pools with their labels for BGADL and BALD-VAE, the pool file for the tools, and a campaign from its labels."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, digits_net
from benchmarks.common.mnist_bundles import serve_with_index
from benchmarks.common.processes import serving
from benchmarks.common.training import train_bundle
from benchmarks.datasets import decode_jpegs, load_dataset
from client import Campaign, Client, NotFoundError

_NO_PLAN = TrainingPlan(
    build=digits_net, epochs=1, batch_size=1, learning_rate=0.0
)  # the papers have their own


@cache
def load_task(dataset: str) -> LabelingTask:
    """Return "mnist", "fashion-mnist", "cifar10" or "digits", its training set whole as the pool."""
    if dataset == "digits":
        from benchmarks.demo.digits import load_digits_task

        return load_digits_task()
    arrays = load_dataset(dataset)
    if dataset == "cifar10":
        images = [decode_jpegs(arrays[f"{part}_jpeg"], arrays[f"{part}_off"]) for part in ("train", "test")]
    else:
        images = [arrays["x_train"], arrays["x_test"]]
    return LabelingTask(
        pool_raw=images[0],
        pool_y=arrays["y_train"].astype(np.int64),
        test_raw=images[1],
        test_y=arrays["y_test"].astype(np.int64),
        plan=_NO_PLAN,
        classes=10,
    )


@contextmanager
def served_pool(
    dataset: str, training: Mapping[str, Any], folder: Path, *, threads: int = 2
) -> Iterator[dict[str, Any]]:
    """Train a bundle on the pool, index it and serve it; yield the server's address and the bundle's metrics.

    Args:
        dataset: For `load_task`.
        training: Options of ``dowser-trainer train``.
        folder: For what is made; what is there already is used.
        threads: Of the server.
    """
    pool = folder / "pool.npy"
    if not pool.exists():
        np.save(pool, load_task(dataset).pool_raw)
    bundle = folder / "bundle"
    train_bundle(pool, training, run=folder / "bundle-run", bundle=bundle)
    served = serve_with_index(bundle, pool, folder / "index", name=dataset)
    with serving(bundle=bundle, index=served.index, state=folder / "state", threads=threads) as target:
        yield {"target": target, "bundle": served.provenance()}


def start_campaign(
    client: Client, name: str, task: LabelingTask, *, initial: NDArray[np.uint64], seed: int
) -> Campaign:
    """Make a campaign with its first labels; one of this name that an interrupted run left behind is deleted."""
    with contextlib.suppress(NotFoundError):
        client.delete_campaign(name)
    campaign = client.create_campaign(name, seed=seed)
    label(client, campaign, task, initial)
    return campaign


def label(client: Client, campaign: Campaign, task: LabelingTask, ids: NDArray[np.uint64]) -> None:
    """Record what the oracle says of some samples."""
    rows = ids.astype(np.int64)
    client.record_labels(campaign, zip(rows.tolist(), task.pool_y[rows].tolist(), strict=True))
