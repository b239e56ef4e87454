"""MNIST as ASAL §5.5 uses it."""

from __future__ import annotations

import numpy as np

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, lenet
from benchmarks.datasets import load_dataset

POOL_SIZE = 50_000
PLAN = TrainingPlan(build=lenet, epochs=10, batch_size=50, learning_rate=1e-3)


def load_mnist_task() -> LabelingTask:
    """Return the task: the first 50,000 training images as the pool, the 10,000 test images to test on."""
    arrays = load_dataset("mnist")
    return LabelingTask(
        pool_raw=arrays["x_train"][:POOL_SIZE],
        pool_y=arrays["y_train"][:POOL_SIZE].astype(np.int64),
        test_raw=arrays["x_test"],
        test_y=arrays["y_test"].astype(np.int64),
        plan=PLAN,
        classes=10,
    )
