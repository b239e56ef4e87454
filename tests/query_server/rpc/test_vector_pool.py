"""A pool of feature vectors, end to end: no images anywhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bundles import train_bundle
from processes import start_server, stop_server, succeed
from sklearn.ensemble import RandomForestClassifier
from torch import nn

from client import ActiveLearner, Client, Dowser, export_classifier, export_sklearn

GENERATORS = {
    "gaussian": {},
    "mlp": {"iterations": 60, "width": 32, "latent_dim": 16, "preview_every": 0},
}


@pytest.fixture(scope="module")
def vectors(digits):
    return (digits.pool.reshape(len(digits.pool), -1) / 16).astype(np.float32)


@pytest.fixture(scope="module", params=GENERATORS)
def vector_server(request, vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    pool, bundle, index = folder / "pool.npy", folder / "bundle", folder / "index"
    np.save(pool, vectors)
    train_bundle(pool, bundle, generator=request.param, **GENERATORS[request.param])
    succeed("dowser-server", "index", "build", "--bundle", bundle, "--pool", pool, "--out", index)
    running = start_server(bundle, index, folder / "state")
    yield running
    assert stop_server(running) == 0


def train_network(x, labels):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(labels)).backward()
        optimizer.step()
    return module.eval()


def network(x, y):
    module = train_network(x, y)

    def probabilities(x):
        with torch.no_grad():
            return module(torch.tensor(x)).softmax(dim=1).numpy()

    return export_classifier(module, x.shape[1:]), probabilities


def random_forest(x, y):
    forest = RandomForestClassifier(50, random_state=0).fit(x, y)
    return export_sklearn(forest, x.shape[1:]), forest.predict_proba


def lightgbm(x, y):
    try:
        from lightgbm import LGBMClassifier
    except (ImportError, OSError) as error:  # OSError: its wheel takes libgomp from the system
        pytest.skip(f"lightgbm does not load: {error}")
    boosted = LGBMClassifier(n_estimators=20, min_child_samples=5, n_jobs=1, verbose=-1).fit(x, y)
    return export_sklearn(boosted, x.shape[1:]), boosted.predict_proba


def xgboost(x, y):
    boosted = pytest.importorskip("xgboost").XGBClassifier(n_estimators=20, n_jobs=1).fit(x, y)
    return export_sklearn(boosted, x.shape[1:]), boosted.predict_proba


def entropy(p):
    p = np.maximum(p, 1e-30)
    return -(p * np.log(p)).sum(axis=1)


@pytest.mark.parametrize("fit", [network, random_forest, lightgbm, xgboost])
def test_any_classifier_of_vectors_climbs_and_selects(vector_server, vectors, digits, fit):
    data, predict_proba = fit(vectors[:150], digits.pool_labels[:150])
    with Client.connect(vector_server.target) as client:
        uploaded = client.upload_classifier(data)
        made = client.synthesize_samples(uploaded, latents=20, steps=60, seed=3)
        np.testing.assert_allclose(made.scores, entropy(predict_proba(made.samples)), atol=1e-3)
        assert made.scores.mean() > made.initial_scores.mean() + 0.05

        campaign = client.create_campaign(f"with-{fit.__name__}")
        client.record_labels(campaign, enumerate(digits.pool_labels[:150].tolist()))
        selection = client.select_samples(
            campaign,
            acquisition="maximum_entropy",
            classifier=uploaded,
            budget=15,
            strategy=Dowser(max_scored=100, steps=60),
            seed=2,
        )
    rows = selection.pool_ids.astype(int)
    assert len(set(rows.tolist())) == 15
    assert rows.min() >= 150
    real = entropy(predict_proba(vectors))
    np.testing.assert_allclose([pick.score for pick in selection.picks], real[rows], atol=1e-3)
    assert real[rows].mean() > real.mean() + 0.4


def test_an_active_learner_labels_vectors(vector_server, vectors, digits):
    def train(ids, labels):
        return train_network(vectors[ids.astype(int)], labels)

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
