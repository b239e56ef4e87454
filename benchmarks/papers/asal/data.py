"""The data sets of ASAL's settings as tasks; two classes as in Zhu and Bento 2017, which the paper follows (§5.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, lenet, linear
from benchmarks.datasets import decode_jpegs, load_dataset

Arrays = tuple[NDArray[Any], NDArray[np.int64]]

MNIST_POOL = 50_000  # §5.1: the other 10,000 training images are for validation
USPS_PADDING, USPS_ENLARGED, USPS_SIDE = 3, 30, 28  # appendix E


def load_task(parameters: Mapping[str, Any], loss: str) -> LabelingTask:
    """Return the task of a setting.

    Args:
        parameters: The setting's.
        loss: "entropy" trains with cross entropy, "hinge" with the hinge loss.
    """
    data, classes = parameters["data"], tuple(parameters["classes"])
    pool, test, transfer = _SOURCES[data]()
    pool_raw, pool_y = _only(*pool, classes)
    test_raw, test_y = _only(*test, classes)
    if parameters["classifier"] == "linear":
        build: Callable[[], nn.Sequential] = partial(
            linear, features=int(np.prod(pool_raw.shape[1:])), classes=len(classes)
        )
    else:
        build = partial(lenet, classes=len(classes))
    plan = TrainingPlan(
        build=build,
        epochs=parameters["epochs"],
        batch_size=parameters["batch_size"],
        learning_rate=parameters["learning_rate"],
        loss="hinge" if loss == "hinge" else "cross_entropy",
    )
    return LabelingTask(
        pool_raw=pool_raw,
        pool_y=pool_y,
        test_raw=test_raw,
        test_y=test_y,
        plan=plan,
        classes=len(classes),
        transfer={name: _only(*arrays, classes) for name, arrays in transfer.items()},
    )


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


def _mnist() -> _Split:
    mnist, usps = load_dataset("mnist"), load_dataset("usps")
    return (
        (mnist["x_train"][:MNIST_POOL], mnist["y_train"][:MNIST_POOL]),
        (mnist["x_test"], mnist["y_test"]),
        {"usps": (enlarge_usps(usps["x_test"]), usps["y_test"])},
    )


def _cifar10() -> _Split:
    arrays = load_dataset("cifar10")
    x = {part: decode_jpegs(arrays[f"{part}_jpeg"], arrays[f"{part}_off"]) for part in ("train", "test")}
    return (x["train"], arrays["y_train"]), (x["test"], arrays["y_test"]), {}


def _digits() -> _Split:
    from benchmarks.demo.digits import load_digits_task

    task = load_digits_task()
    return (task.pool_raw, task.pool_y), (task.test_raw, task.test_y), {}


_SOURCES: dict[str, Callable[[], _Split]] = {"mnist": _mnist, "cifar10": _cifar10, "digits": _digits}
