"""A generator that has learned nothing must cost the default strategy little, also where classes are rare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from bundles import train_bundle
from processes import start_server, stop_server, succeed
from torch import nn

from client import ClassifierExporter, Client, Dowser, RandomSubset

RARE, KEPT = (1, 3, 5, 8), 12  # these classes keep so many samples
START, BUDGET, ROUNDS, MAX_SCORED, SEEDS = 20, 10, 8, 120, 8


@dataclass(frozen=True)
class Thinned:
    """Digits of which some classes are rare, and a server on them whose generator was trained for one iteration."""

    images: np.ndarray
    labels: np.ndarray
    target: str


@pytest.fixture(scope="module")
def thinned(digits, tmp_path_factory):
    keep = np.ones(len(digits.pool), bool)
    for each in RARE:
        keep[np.flatnonzero(digits.pool_labels == each)[KEPT:]] = False
    folder = tmp_path_factory.mktemp("untrained")
    pool, bundle, index = folder / "pool.npy", folder / "bundle", folder / "index"
    np.save(pool, digits.pool[keep])
    train_bundle(pool, bundle, generator="wgan-gp", iterations=1, features="pixels", feature_dim=20)
    succeed("dowser-server", "index", "build", "--bundle", bundle, "--pool", pool, "--out", index)
    running = start_server(bundle, index, folder / "state")
    yield Thinned(digits.pool[keep], digits.pool_labels[keep], running.target)
    assert stop_server(running) == 0


def inputs(images):
    return torch.from_numpy(images[:, None].astype(np.float32) * (2 / 255) - 1)


def train(images, labels, seed):
    """Train a small network; x in [-1, 1], [B, 1, 8, 8]."""
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 10))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    x, y = inputs(images), torch.from_numpy(labels)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x), y).backward()
        optimizer.step()
    return module.eval()


def balanced_accuracy(module, digits):
    with torch.no_grad():
        predicted = module(inputs(digits.test)).argmax(1).numpy()
    return float(np.mean([(predicted[digits.test_labels == each] == each).mean() for each in range(10)]))


def area(client, export, thinned, digits, strategy, seed):
    """Run a campaign; return its balanced accuracy, the mean over the rounds."""
    name = client.create_campaign(f"{type(strategy).__name__}-{seed}", seed=seed).campaign_id
    known = np.random.default_rng(seed).permutation(len(thinned.images))[:START]
    accuracies = []
    for round_ in range(ROUNDS + 1):
        client.record_labels(
            name, {int(row): int(thinned.labels[row]) for row in known}
        )  # the old ones again
        module = train(thinned.images[known], thinned.labels[known], seed)
        if round_:
            accuracies.append(balanced_accuracy(module, digits))
        if round_ < ROUNDS:
            uploaded = client.upload_classifier(export(module))
            selection = client.select_samples(name, classifier=uploaded, budget=BUDGET, strategy=strategy)
            known = np.concatenate([known, selection.pool_ids.astype(int)])
    return float(np.mean(accuracies))


def test_an_untrained_generator_costs_little(thinned, digits):
    strategies = (Dowser(max_scored=MAX_SCORED), RandomSubset(max_scored=MAX_SCORED))
    export = ClassifierExporter((1, 8, 8))
    with Client.connect(thinned.target) as client:
        areas = np.array(
            [
                [area(client, export, thinned, digits, strategy, seed) for strategy in strategies]
                for seed in range(SEEDS)
            ]
        )
    differences = areas[:, 0] - areas[:, 1]
    # Two standard errors of the paired difference, and never so wide that any loss would pass.
    margin = min(2 * differences.std(ddof=1) / np.sqrt(SEEDS), 0.03)
    assert differences.mean() >= -margin, f"dowser and random subset by seed: {areas.round(3).tolist()}"
