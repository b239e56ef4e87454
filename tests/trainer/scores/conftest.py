"""Digits as tensors, and a classifier of some of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


@dataclass(frozen=True)
class DigitsSplit:
    """Labeled digits, all others, and what the labels of those are."""

    labeled: Tensor
    labels: Tensor
    unlabeled: Tensor
    truth: Tensor


def split(*, classes: int, labeled: int) -> DigitsSplit:
    """The labeled samples are of the first `classes` alone."""
    images, y = load_digits(return_X_y=True)
    x = torch.from_numpy(images.reshape(-1, 1, 8, 8) / 8 - 1).float()
    y = torch.from_numpy(y)
    rows = torch.nonzero(y < classes).squeeze(1)[:labeled]
    others = torch.ones(len(x), dtype=torch.bool)
    others[rows] = False
    return DigitsSplit(x[rows], y[rows], x[others], y[others])


@pytest.fixture(scope="session")
def all_classes() -> DigitsSplit:
    return split(classes=10, labeled=80)


@pytest.fixture(scope="session")
def half_the_classes() -> DigitsSplit:
    return split(classes=5, labeled=80)


@pytest.fixture(scope="session")
def classifier(all_classes: DigitsSplit) -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(128, 32), nn.ReLU(), nn.Linear(32, 10)),
    )
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(all_classes.labeled), all_classes.labels).backward()
        optimizer.step()
    return module.eval()
