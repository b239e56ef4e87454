"""The portfolio: pools that are balanced, thinned, dominated by one class, or full of near-duplicates.

A thinned pool keeps its balanced test set. "cifar10-dominant" is VaB-AL's (Choi et al. 2021): one class whole, the
others thinned to a tenth. A path to an .npz file with x_train, y_train, x_test and y_test is a pool too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, digits_net, lenet, mlp, small_cnn
from benchmarks.common.distortion import grow
from benchmarks.common.environment import has_bfloat16_units
from benchmarks.common.errors import BenchmarkError
from benchmarks.datasets import datasets_folder, decode_jpegs, load_dataset

ODD = (1, 3, 5, 7, 9)
POOL_SIZE = 50_000  # of MNIST's and Fashion-MNIST's training images
GROWN_SIZE = 1_000_000

WGAN_GP: dict[str, Any] = {
    "generator": "wgan-gp",
    "features": "autoencoder",
    "iterations": 3000,
    "learning-rate": 2e-4,
    "autoencoder-iterations": 2000,
}
GAUSSIAN: dict[str, Any] = {"generator": "gaussian", "features": "pixels"}
QUICK_TRAINING: dict[str, Any] = {"iterations": 20, "autoencoder-iterations": 50, "width": 8}


@dataclass(frozen=True, kw_only=True)
class PoolRecipe:
    """One pool and how it is labeled.

    Attributes:
        name: on the command line and in results.
        text: for the report.
        load: folder for what is large -> the task; a top-level function or a partial of one.
        budget: samples a round, B.
        max_scored: candidates scored a round at most.
        initial: labels before the first round, drawn at random.
        max_labels: where a campaign ends.
        rare: classes thinned out; none on a balanced pool.
        training: options of ``dowser-trainer train``; always on the pool itself, as thinned.
        seeds: runs of each strategy.
        bundle: whose trained bundle to look for, where not its own name's.
    """

    name: str
    text: str
    load: Callable[[Path], LabelingTask]
    budget: int = 50
    max_scored: int = 1000
    initial: int = 100
    max_labels: int = 600
    rare: tuple[int, ...] = ()
    training: dict[str, Any] = field(default_factory=lambda: dict(WGAN_GP))
    seeds: int = 5
    bundle: str = ""

    def quick(self) -> PoolRecipe:
        """Return the same with two rounds, one seed and a generator that has seen next to nothing."""
        short = QUICK_TRAINING if self.training["generator"] != "gaussian" else {}
        return replace(
            self,
            name=f"{self.name}-quick",
            bundle=self.bundle or self.name,
            max_labels=self.initial + 2 * self.budget,
            training={**self.training, **short},
            seeds=1,
        )


def thin(
    y: NDArray[np.int64], classes: Sequence[int], part: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the rows that are left, ascending, once of each of these classes only a part is kept."""
    keep = np.ones(len(y), bool)
    for c in classes:
        rows = np.flatnonzero(y == c)
        keep[rows] = False
        keep[rng.choice(rows, round(len(rows) * part), replace=False)] = True
    return np.flatnonzero(keep)


def _load_28(dataset: str, rare: tuple[int, ...], grown: str, work: Path) -> LabelingTask:
    """Return the first 50,000 training images, thinned where classes are rare, grown to a million where named."""
    arrays = load_dataset(dataset)
    x, y = arrays["x_train"][:POOL_SIZE], arrays["y_train"][:POOL_SIZE].astype(np.int64)
    if rare:
        rows = thin(y, rare, 0.01, np.random.default_rng(0))
        x, y = x[rows], y[rows]
    if grown:
        x, y, _ = grow(x, y, GROWN_SIZE, work / grown / "pool")
    return _task(x, y, arrays["x_test"], arrays["y_test"])


def _load_neu(rare: tuple[int, ...], work: Path) -> LabelingTask:
    path = datasets_folder() / "neu_det_gray64.npz"
    arrays = _read(path)
    x = arrays["x"].reshape(-1, 32, 2, 32, 2).mean((2, 4)).round().astype(np.uint8)  # [1800, 32, 32]
    y = arrays["y"].astype(np.int64)
    rng = np.random.default_rng(0)
    test = np.concatenate([rng.choice(np.flatnonzero(y == c), 100, replace=False) for c in range(6)])
    pool = np.setdiff1d(np.arange(len(y)), test)
    pool = rng.permutation(pool[thin(y[pool], rare, 0.1, rng)])
    return _task(x[pool], y[pool], x[test], y[test])


def _load_cifar10_dominant(work: Path) -> LabelingTask:
    arrays = load_dataset("cifar10")
    y = arrays["y_train"].astype(np.int64)
    rng = np.random.default_rng(0)
    rows = rng.permutation(thin(y, range(1, 10), 0.1, rng))
    starts, ends = arrays["train_off"][:-1], arrays["train_off"][1:]
    files = [arrays["train_jpeg"][starts[row] : ends[row]] for row in rows]
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in files])])
    x_test = decode_jpegs(arrays["test_jpeg"], arrays["test_off"])
    task = _task(decode_jpegs(np.concatenate(files), offsets), y[rows], x_test, arrays["y_test"])
    # The small CNN's 40 epochs would be most of the recipe's time.
    return replace(task, plan=replace(task.plan, epochs=20))


def _load_digits(rare: tuple[int, ...], work: Path) -> LabelingTask:
    from benchmarks.demo.digits import load_digits_task

    task = load_digits_task()
    rows = thin(task.pool_y, rare, 0.1, np.random.default_rng(0))
    return _task(task.pool_raw[rows], task.pool_y[rows], task.test_raw, task.test_y)


def _load_npz(path: Path, work: Path) -> LabelingTask:
    arrays = _read(path)
    if missing := {"x_train", "y_train", "x_test", "y_test"} - set(arrays):
        raise BenchmarkError(
            f"{path}: has no {', '.join(sorted(missing))}; it has {', '.join(sorted(arrays))}"
        )
    task = _task(*(arrays[name] for name in ("x_train", "y_train", "x_test", "y_test")))
    present = [set(np.unique(y).tolist()) for y in (task.pool_y, task.test_y)]
    if present[0] != present[1] or present[0] != set(range(task.classes)):
        raise BenchmarkError(
            f"{path}: y_train and y_test must both have every class from 0 to {task.classes - 1}"
        )
    return task


def _read(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path) as file:
            return {key: file[key] for key in file.files}
    except (OSError, ValueError) as error:
        raise BenchmarkError(f"{path}: cannot be read as .npz ({error})") from error


def _task(x: NDArray[Any], y: NDArray[Any], x_test: NDArray[Any], y_test: NDArray[Any]) -> LabelingTask:
    classes = int(max(y.max(), y_test.max())) + 1
    return LabelingTask(
        pool_raw=x,
        pool_y=y.astype(np.int64),
        test_raw=x_test,
        test_y=y_test.astype(np.int64),
        plan=plan_for(x.shape[1:], classes),
        classes=classes,
    )


def plan_for(raw_shape: tuple[int, ...], classes: int) -> TrainingPlan:
    """Return how a classifier of samples of this shape is trained: LeNet for 28x28, a small CNN for other images."""
    fast = has_bfloat16_units()
    if len(raw_shape) == 1:
        build = partial(mlp, features=raw_shape[0], classes=classes)
        return TrainingPlan(build=build, epochs=60, batch_size=16, learning_rate=1e-3)
    if raw_shape == (28, 28):
        build = partial(lenet, classes=classes)
        return TrainingPlan(build=build, epochs=10, batch_size=50, learning_rate=1e-3, bfloat16=fast)
    if raw_shape == (8, 8):
        build = partial(digits_net, classes=classes)
        return TrainingPlan(build=build, epochs=60, batch_size=16, learning_rate=1e-3)
    channels = 1 if len(raw_shape) == 2 else min(raw_shape)
    side = sorted(raw_shape)[-1]
    build = partial(small_cnn, channels=channels, side=side, classes=classes)
    return TrainingPlan(build=build, epochs=40, batch_size=32, learning_rate=1e-3, bfloat16=fast)


_MILLION: dict[str, Any] = {
    "max_labels": 300,
    "seeds": 2,
    "training": {**GAUSSIAN, "features": "autoencoder", "autoencoder-iterations": 2000},
}

POOLS = {
    recipe.name: recipe
    for recipe in (
        PoolRecipe(name="mnist", text="MNIST, 50,000", load=partial(_load_28, "mnist", (), "")),
        PoolRecipe(
            name="fashion", text="Fashion-MNIST, 50,000", load=partial(_load_28, "fashion_mnist", (), "")
        ),
        PoolRecipe(
            name="mnist-rare",
            text="MNIST, five classes thinned to 1 %",
            load=partial(_load_28, "mnist", ODD, ""),
            rare=ODD,
        ),
        PoolRecipe(
            name="fashion-rare",
            text="Fashion-MNIST, five classes thinned to 1 %",
            load=partial(_load_28, "fashion_mnist", ODD, ""),
            rare=ODD,
        ),
        PoolRecipe(
            name="neu",
            text="steel surface defects, three of six classes thinned to 10 %",
            load=partial(_load_neu, (1, 3, 5)),
            budget=20,
            max_scored=100,
            initial=30,
            max_labels=230,
            rare=(1, 3, 5),
            training=dict(GAUSSIAN),
        ),
        PoolRecipe(
            name="cifar10-dominant",
            text="CIFAR-10, all but one class thinned to 10 %",
            load=_load_cifar10_dominant,
            rare=tuple(range(1, 10)),
            training=dict(GAUSSIAN),
        ),
        PoolRecipe(
            name="mnist-1m",
            text="MNIST grown to a million by distortion",
            load=partial(_load_28, "mnist", (), "mnist-1m"),
            **_MILLION,
        ),
        PoolRecipe(
            name="mnist-1m-rare",
            text="MNIST with five classes thinned to 1 %, grown to a million by distortion",
            load=partial(_load_28, "mnist", ODD, "mnist-1m-rare"),
            rare=ODD,
            **_MILLION,
        ),
        PoolRecipe(
            name="digits",
            text="scikit-learn's digits, 1,297",
            load=partial(_load_digits, ()),
            budget=10,
            max_scored=100,
            initial=20,
            max_labels=120,
            training=dict(GAUSSIAN),
        ),
        PoolRecipe(
            name="digits-rare",
            text="scikit-learn's digits, five classes thinned to 10 %",
            load=partial(_load_digits, ODD),
            budget=10,
            max_scored=100,
            initial=20,
            max_labels=120,
            rare=ODD,
            training=dict(GAUSSIAN),
        ),
    )
}


def find_pool(name: str) -> PoolRecipe:
    """Return a pool of the portfolio, or that of an .npz file: rare are its classes with under a third of the mean.

    Raises:
        BenchmarkError: There is none.
    """
    if name in POOLS:
        return POOLS[name]
    path = Path(name)
    if path.suffix != ".npz":
        raise BenchmarkError(f"no such pool: {name}; there are {', '.join(POOLS)}, and any file PATH.npz")
    load = partial(_load_npz, path.resolve())
    task = load(path)
    counts = np.bincount(task.pool_y, minlength=task.classes)
    images = task.pool_raw.ndim > 2
    initial = 10 * task.classes
    if initial + 50 > len(task.pool_y):
        raise BenchmarkError(
            f"{path}: {len(task.pool_y)} samples to label; there must be {initial + 50} at least"
        )
    return PoolRecipe(
        name=path.stem,
        text=f"{path.name}, {len(task.pool_y):,}",
        load=load,
        initial=initial,
        max_labels=min(initial + 500, len(task.pool_y)),
        max_scored=min(1000, math.ceil(len(task.pool_y) / 4)),
        rare=tuple(np.flatnonzero(counts < counts.mean() / 3).tolist()),
        training=dict(WGAN_GP if images and len(task.pool_y) >= 10_000 else GAUSSIAN),
    )
