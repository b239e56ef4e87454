"""The data sets of ASAL's settings as tasks; two classes as in Zhu and Bento 2017, which the paper follows (§5.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import Sgd, TrainingPlan, all_cnn, lenet, linear
from benchmarks.datasets import SOURCES, datasets_folder, decode_jpegs, load_dataset

Arrays = tuple[NDArray[Any], NDArray[np.int64]]

MNIST_POOL = 50_000  # §5.1: the other 10,000 training images are for validation
USPS_PADDING, USPS_ENLARGED, USPS_SIDE = 3, 30, 28  # appendix E


def load_task(parameters: Mapping[str, Any], loss: str) -> LabelingTask:
    """Return the task of a setting.

    Args:
        parameters: The setting's; with `pool` and `test`, sizes to cut to, drawn once for all seeds.
        loss: "entropy" trains with cross entropy, "hinge" with the hinge loss.
    """
    data, classes = parameters["data"], tuple(parameters["classes"])
    pool, test, transfer = _SOURCES[data](parameters.get("pool"), parameters.get("test"))
    pool_raw, pool_y = _only(*pool, classes)
    test_raw, test_y = _only(*test, classes)
    plan = _plan(parameters, pool_raw.shape[1:], len(classes), loss)
    return LabelingTask(
        pool_raw=pool_raw,
        pool_y=pool_y,
        test_raw=test_raw,
        test_y=test_y,
        plan=plan,
        classes=len(classes),
        transfer={name: _only(*arrays, classes) for name, arrays in transfer.items()},
    )


def _plan(parameters: Mapping[str, Any], raw_shape: tuple[int, ...], classes: int, loss: str) -> TrainingPlan:
    kind = parameters["classifier"]
    sgd = None
    if kind.startswith("linear"):
        build: Callable[[], nn.Sequential] = partial(
            linear if kind == "linear" else linear_of_unit_range,
            features=int(np.prod(raw_shape)),
            classes=classes,
        )
    elif kind == "lenet":
        build = partial(lenet, classes=classes)
    else:
        build = partial(all_cnn, channels=raw_shape[-1], classes=classes)
        sgd = Sgd(
            momentum=parameters["momentum"],
            weight_decay=parameters["weight_decay"],
            decay_epochs=tuple(parameters["decay_epochs"]),
        )
    return TrainingPlan(
        build=build,
        epochs=parameters["epochs"],
        batch_size=parameters["batch_size"],
        learning_rate=parameters["learning_rate"],
        loss="hinge" if loss == "hinge" else "cross_entropy",
        sgd=sgd,
        gpu=kind == "all-cnn",
    )


class _UnitRange(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        """Return x [B, ...] of [-1, 1] in [0, 1]."""
        return x * 0.5 + 0.5


def linear_of_unit_range(*, features: int, classes: int) -> nn.Sequential:
    """Return the linear model that sees pixels in [0, 1], of x [B, ...] in [-1, 1]."""
    return nn.Sequential(_UnitRange(), *linear(features=features, classes=classes))


def enlarge_usps(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return USPS digits [n, 16, 16] as [n, 28, 28]: padded by 3, enlarged to 30 px, cropped (appendix E)."""
    import torch
    from torch.nn import functional as F

    x = torch.from_numpy(np.ascontiguousarray(images)).float()[:, None]  # [n, 1, 16, 16]
    x = F.pad(x, (USPS_PADDING,) * 4)
    x = F.interpolate(x, size=USPS_ENLARGED, mode="bilinear", align_corners=False)
    edge = (USPS_ENLARGED - USPS_SIDE) // 2
    x = x[:, 0, edge:-edge, edge:-edge]
    enlarged: NDArray[np.uint8] = x.round().clamp(0, 255).to(torch.uint8).numpy()
    return enlarged


def _only(x: NDArray[Any], y: NDArray[Any], classes: tuple[int, ...]) -> Arrays:
    """Keep some classes, numbered in their order."""
    number = np.full(int(y.max()) + 1, -1, np.int64)
    number[list(classes)] = np.arange(len(classes))
    labels = number[y.astype(np.int64)]
    return x[labels >= 0], labels[labels >= 0]


_Split = tuple[tuple[Any, Any], tuple[Any, Any], dict[str, tuple[Any, Any]]]
_Size = int | None


def _cut(x: NDArray[Any], y: NDArray[Any], size: _Size) -> tuple[Any, Any]:
    rows = _drawn(len(y), size)
    return x[rows], y[rows]


def _drawn(total: int, size: _Size) -> NDArray[np.int64]:
    """Return all rows as they are, or as many as asked for."""
    return np.arange(total) if size is None else np.random.default_rng(0).permutation(total)[:size]


def _mnist(pool: _Size, test: _Size) -> _Split:
    mnist, usps = load_dataset("mnist"), load_dataset("usps")
    return (
        _cut(mnist["x_train"][:MNIST_POOL], mnist["y_train"][:MNIST_POOL], pool),
        _cut(mnist["x_test"], mnist["y_test"], test),
        {"usps": (enlarge_usps(usps["x_test"]), usps["y_test"])},
    )


def _cifar10(pool: _Size, test: _Size) -> _Split:
    """§5.1: the whole training set is the pool; the paper's validation images are those of the test."""
    arrays = load_dataset("cifar10")

    def images(part: str, size: _Size) -> tuple[Any, Any]:
        y, offsets = arrays[f"y_{part}"], arrays[f"{part}_off"]
        rows = _drawn(len(y), size)
        files = [arrays[f"{part}_jpeg"][offsets[row] : offsets[row + 1]] for row in rows]
        starts = np.cumsum([0, *(len(file) for file in files)])
        return decode_jpegs(np.concatenate(files), starts), y[rows]

    return images("train", pool), images("test", test), {}


def _digits(pool: _Size, test: _Size) -> _Split:
    from benchmarks.demo.digits import load_digits_task

    task = load_digits_task()
    return _cut(task.pool_raw, task.pool_y, pool), _cut(task.test_raw, task.test_y, test), {}


def _color(pool: _Size, test: _Size) -> _Split:
    """CIFAR-10 where it is there; scikit-learn's digits in its frame where it is not, for a run of a few samples."""
    if (datasets_folder() / SOURCES["cifar10"].file).exists():
        return _cifar10(pool, test)
    (x, y), (test_x, test_y), none = _digits(pool, test)
    return (_in_color(x), y), (_in_color(test_x), test_y), none


def _in_color(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return gray images [n, 8, 8] as [n, 32, 32, 3]."""
    return np.repeat(images.repeat(4, axis=1).repeat(4, axis=2)[..., None], 3, axis=3)


_SOURCES: dict[str, Callable[[_Size, _Size], _Split]] = {
    "mnist": _mnist,
    "cifar10": _cifar10,
    "digits": _digits,
    "color": _color,
}
