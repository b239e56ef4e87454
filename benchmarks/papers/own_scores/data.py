"""The pools: whole, with one dominant class, or with a rare one (VaB-AL section 4.2), cut to a size where asked for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.pools import find_pool, plan_for, thin
from benchmarks.datasets import datasets_folder, decode_jpegs, load_dataset

PART = 0.1
"""What is left of a thinned class."""


def load_task(parameters: Mapping[str, Any]) -> LabelingTask:
    """Return a setting's task.

    Args:
        parameters: `dataset`; `dominant` or `rare`, a class, where the pool is thinned; `pool` and `test`, sizes to cut
            to, drawn once for all seeds.
    """
    x, y, x_test, y_test = _load(str(parameters["dataset"]))
    rng = np.random.default_rng(0)
    classes = range(int(y.max()) + 1)
    rows = np.arange(len(y))
    if (dominant := parameters.get("dominant")) is not None:
        rows = thin(y, [c for c in classes if c != dominant], PART, rng)
    elif (rare := parameters.get("rare")) is not None:
        rows = thin(y, [rare], PART, rng)
    rows = rng.permutation(rows)[: parameters.get("pool") or len(rows)]
    tested = rng.permutation(len(y_test))[: parameters.get("test") or len(y_test)]
    return LabelingTask(
        pool_raw=x[rows],
        pool_y=y[rows],
        test_raw=x_test[tested],
        test_y=y_test[tested],
        plan=plan_for(x.shape[1:], len(classes)),
        classes=len(classes),
    )


Arrays = tuple[NDArray[Any], NDArray[np.int64], NDArray[Any], NDArray[np.int64]]


@cache
def _load(dataset: str) -> Arrays:
    if dataset == "digits":
        task = find_pool("digits").load(datasets_folder())
        return task.pool_raw, task.pool_y, task.test_raw, task.test_y
    if dataset == "neu":
        with np.load(datasets_folder() / "neu_det_gray64.npz") as arrays:
            x = arrays["x"].reshape(-1, 32, 2, 32, 2).mean((2, 4)).round().astype(np.uint8)  # [1800, 32, 32]
            y = arrays["y"].astype(np.int64)
        order = np.random.default_rng(0).permutation(len(y))
        cut = len(y) // 5  # as the paper reserves it
        return x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]]
    arrays = load_dataset("fashion_mnist" if dataset == "fashion" else dataset)
    y, y_test = arrays["y_train"].astype(np.int64), arrays["y_test"].astype(np.int64)
    if dataset == "cifar10":
        x = decode_jpegs(arrays["train_jpeg"], arrays["train_off"])
        return x, y, decode_jpegs(arrays["test_jpeg"], arrays["test_off"]), y_test
    return arrays["x_train"], y, arrays["x_test"], y_test


def initial_ids(task: LabelingTask, parameters: Mapping[str, Any], seed: int) -> NDArray[np.uint64]:
    """Draw what a campaign starts from, the same for all strategies of a seed; from `start_classes` alone if named."""
    count, only = int(parameters["initial"]), parameters.get("start_classes")
    if only is None:
        return task.random_initial_ids(count, seed)
    rows = np.flatnonzero(np.isin(task.pool_y, only))
    return np.random.default_rng(seed).choice(rows, count, replace=False).astype(np.uint64)
