"""A pool of feature vectors, end to end: no images anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from processes import run_command, start_server, stop_server
from torch import nn

from client import ActiveLearner, Client, Dowser


@pytest.fixture(scope="module")
def vectors(digits):
    return (digits.pool.reshape(len(digits.pool), -1) / 16).astype(np.float32)


@pytest.fixture(scope="module")
def vector_server(vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    pool, bundle, index = folder / "pool.npy", folder / "bundle", folder / "index"
    np.save(pool, vectors)
    for command in (
        ("dowser-trainer", "train", "--data", pool, "--generator", "gaussian", "--out", bundle),
        ("dowser-server", "index", "build", "--bundle", bundle, "--pool", pool, "--out", index),
    ):
        done = run_command(*command)
        assert done.returncode == 0, done.stderr
    running = start_server(bundle, index, folder / "state")
    yield running
    assert stop_server(running) == 0


def test_an_active_learner_labels_vectors(vector_server, vectors, digits):
    def train(ids, labels):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        x, y = torch.from_numpy(vectors[ids.astype(int)]), torch.from_numpy(labels)
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
        for _ in range(80):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x), y).backward()
            optimizer.step()
        return module

    def accuracy(module):
        x = torch.from_numpy((digits.test.reshape(len(digits.test), -1) / 16).astype(np.float32))
        with torch.no_grad():
            return float((module(x).argmax(1).numpy() == digits.test_labels).mean())

    with Client.connect(vector_server.target) as client:
        pool = client.get_pool()
        assert pool.input_shape == (64,)
        learner = ActiveLearner(
            client,
            campaign="vectors",
            train=train,
            oracle=lambda ids: digits.pool_labels[ids.astype(int)],
            budget=30,
            strategy=Dowser(max_scored=200, steps=30),
            max_labels=150,
            seed=1,
        )
        first = np.arange(30, dtype=np.uint64)
        learner.seed_labels(first, digits.pool_labels[:30])
        reports = learner.run()
        assert [report.labeled for report in reports] == [60, 90, 120, 150]
        assert accuracy(learner.fit()) > accuracy(reports[0].classifier) + 0.05
        for report in reports:
            scores = [pick.score for pick in report.selection.picks]
            assert report.selection.scored == 200
            assert np.mean(scores) > 0.2
        near = client.search_neighbors(samples=vectors[:3], k=2)
        assert [ids[0] for ids in near.pool_ids] == [0, 1, 2]
