"""A bundle and an index for one pool of the portfolio; the generator is trained on the pool itself."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.mnist_bundles import Served, serve_with_index
from benchmarks.common.pools import PoolRecipe
from benchmarks.common.training import train_bundle


def prepare_pool(pool: PoolRecipe, task: LabelingTask, work: Path, *, bundles: Path | None) -> Served:
    """Return the pool's bundle and index; train and build what is not there yet.

    Args:
        pool: The recipe.
        task: What it loaded.
        work: The pool's own folder for what is made.
        bundles: Folder whose bundle_POOL is used where it has one.
    """
    work.mkdir(parents=True, exist_ok=True)
    mapped = task.pool_raw.filename if isinstance(task.pool_raw, np.memmap) else None
    file = work / "pool.npy" if mapped is None else Path(mapped)
    if file == work / "pool.npy":
        np.save(file, task.pool_raw)
    bundle = None if bundles is None else bundles / f"bundle_{pool.bundle or pool.name}"
    if bundle is None or not (bundle / "manifest.json").exists():
        bundle = _train(pool.training, file, work)
    return serve_with_index(bundle, file, work / "index", name=pool.name)


def _train(training: dict[str, Any], file: Path, work: Path) -> Path:
    """Return the bundle that these options make; trained once, and on from where that was interrupted."""
    key = hashlib.sha256(json.dumps(training, sort_keys=True).encode()).hexdigest()[:8]
    bundle, run = work / f"bundle-{key}", work / f"run-{key}"
    train_bundle(file, training, run=run, bundle=bundle)
    return bundle
