"""Fixtures every suite shares: real digits, a real bundle and index made by the commands, a real server process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from processes import RunningServer, start_server, stop_server, succeed


@dataclass(frozen=True)
class Digits:
    """scikit-learn's 8x8 digits: uint8 [N, 8, 8] in 0..255 and their labels, pool and test apart."""

    pool: np.ndarray
    pool_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray
    pool_file: Path


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Digits:
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = (loaded.images * (255 / 16)).astype(np.uint8)
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], loaded.target[order].astype(np.int64)
    file = tmp_path_factory.mktemp("digits") / "digits.npy"
    np.save(file, images[:1297])
    return Digits(images[:1297], labels[:1297], images[1297:], labels[1297:], file)


@pytest.fixture(scope="session")
def digits_bundle(digits: Digits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("bundle") / "bundle"
    options = ("--generator", "gaussian", "--features", "pixels", "--feature-dim", 20, "--components", 20)
    succeed("dowser-trainer", "train", "--data", digits.pool_file, "--out", bundle, *options)
    return bundle


@pytest.fixture(scope="session")
def digits_index(digits: Digits, digits_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    index = tmp_path_factory.mktemp("index") / "digits"
    options = ("--bundle", digits_bundle, "--pool", digits.pool_file, "--out", index, "--name", "digits")
    succeed("dowser-server", "index", "build", *options)
    return index


@pytest.fixture(scope="session")
def server(
    digits_bundle: Path, digits_index: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningServer]:
    """One server on the digits for all tests that leave it as they found it (each makes its own campaigns)."""
    running = start_server(digits_bundle, digits_index, tmp_path_factory.mktemp("server") / "state")
    yield running
    assert stop_server(running) == 0


def train_digits_classifier(digits: Digits, *, labels: int = 150, seed: int = 0):
    """Train a small convolutional classifier on the first ``labels`` digits; x in [-1, 1], [B, 1, 8, 8]."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    module = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)),
    )
    rows = np.random.default_rng(seed).permutation(len(digits.pool))[:labels]
    x = torch.from_numpy(digits.pool[rows, None].astype(np.float32) * (2 / 255) - 1)
    y = torch.from_numpy(digits.pool_labels[rows])
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    return module.eval()


@pytest.fixture(scope="session")
def train_classifier(digits: Digits):
    """`train_digits_classifier` on the digits, for tests that need classifiers of their own."""
    return partial(train_digits_classifier, digits)


@pytest.fixture(scope="session")
def digits_classifier(train_classifier):
    return train_classifier()


@pytest.fixture(scope="session")
def classifier_bytes(digits_classifier) -> bytes:
    import torch

    from client import export_classifier

    return export_classifier(digits_classifier, torch.zeros(2, 1, 8, 8))


@pytest.fixture(scope="session")
def other_classifier_bytes(digits: Digits) -> bytes:
    """A classifier that disagrees with the first: other labels, other seed."""
    import torch

    from client import export_classifier

    return export_classifier(train_digits_classifier(digits, labels=60, seed=7), torch.zeros(2, 1, 8, 8))
