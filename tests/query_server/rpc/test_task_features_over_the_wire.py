"""A server that makes task-aware features: after a refresh, neighbors are those of the classifier's embedding."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from client import Client, Dowser, export_classifier
from tests.processes import start_server, stop_server

NEIGHBORS = Dowser(max_scored=10, shares={"labeled_neighbors": 1.0})


class Small(nn.Module):
    """An untrained classifier with an embedding of 12."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Tanh())
        self.head = nn.Linear(12, 10)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        embedding = self.body(x)
        return self.head(embedding), embedding


@pytest.fixture(scope="module")
def refreshing(digits_bundle: Path, digits_index: Path, tmp_path_factory) -> Iterator[Client]:
    state = tmp_path_factory.mktemp("refreshing") / "state"
    running = start_server(digits_bundle, digits_index, state, "--task-refresh-rounds", 1)
    with Client.connect(running.target) as client:
        yield client
    assert stop_server(running) == 0


def nearest(features: np.ndarray, row: int, count: int, without: set[int]) -> set[int]:
    distances = np.linalg.norm(features - features[row], axis=1)
    distances[[row, *without]] = np.inf
    return set(np.argsort(distances)[:count].tolist())


def test_neighbors_become_those_of_the_embedding_and_the_first_round_does_not_wait(
    refreshing: Client, digits
) -> None:
    module = Small()
    classifier = refreshing.upload_classifier(
        export_classifier(module, torch.zeros(2, 1, 8, 8))
    ).classifier_id
    campaign = refreshing.create_campaign("task-aware").campaign_id
    refreshing.record_labels(campaign, {7: int(digits.pool_labels[7])})
    x = torch.from_numpy(digits.pool[:, None].astype(np.float32) * (2 / 255) - 1)
    with torch.inference_mode():
        embedding = module(x)[1].numpy()
    taken: set[int] = set()

    def select() -> set[int]:
        selection = refreshing.select_samples(campaign, classifier=classifier, budget=10, strategy=NEIGHBORS)
        return set(selection.pool_ids.tolist())

    first = select()
    assert first != nearest(embedding, 7, 10, taken)  # the encoder's, as no refresh has ended yet
    taken |= first
    for _ in range(40):
        expected = nearest(embedding, 7, 10, taken)
        found = select()
        taken |= found
        if found == expected:
            return
        time.sleep(0.25)
    pytest.fail("neighbors never became those of the embedding")


def test_a_classifier_without_an_embedding_selects_as_before(
    refreshing: Client, classifier_bytes: bytes
) -> None:
    classifier = refreshing.upload_classifier(classifier_bytes).classifier_id
    campaign = refreshing.create_campaign("no-embedding").campaign_id
    refreshing.record_labels(campaign, {7: 0})
    for _ in range(2):
        selection = refreshing.select_samples(campaign, classifier=classifier, budget=10, strategy=NEIGHBORS)
        assert len(selection.pool_ids) == 10
