"""Scikit-learn's 1,797 digits, 8x8, as a pool to label and a test set."""

from __future__ import annotations

import numpy as np

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, digits_net

TEST_SIZE = 500
PLAN = TrainingPlan(build=digits_net, epochs=60, batch_size=16, learning_rate=1e-3)


def load_digits_task() -> LabelingTask:
    """Return the task; values 0..16 become uint8 images of 0..255, and the split is always the same."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    raw = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # [1797, 8, 8]
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(0).permutation(len(raw))
    test, pool = order[:TEST_SIZE], order[TEST_SIZE:]
    return LabelingTask(
        pool_raw=raw[pool],
        pool_y=labels[pool],
        test_raw=raw[test],
        test_y=labels[test],
        plan=PLAN,
        classes=10,
    )
