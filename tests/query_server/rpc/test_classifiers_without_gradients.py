"""Classifiers uploaded without their gradient select through synthesis all the same, over the wire."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from client import Client, Dowser, export_sklearn
from graphs import GraphKind, export_forward

ESTIMATORS = {
    "random forest": RandomForestClassifier(50, random_state=0),
    "logistic regression": LogisticRegression(max_iter=500),
    "scaled logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
}


@pytest.fixture(scope="module", params=ESTIMATORS)
def estimator(request, digits):
    x = (digits.pool[:150].astype(np.float32) * np.float32(2 / 255) - 1).reshape(150, 64)
    return ESTIMATORS[request.param].fit(x, digits.pool_labels[:150])


@pytest.fixture(scope="module")
def uploaded(server, estimator):
    with Client.connect(server.target) as client:
        return client.upload_classifier(export_sklearn(estimator, client.get_pool().input_shape))


@pytest.fixture(scope="module")
def forward_only(server, digits_classifier):
    with Client.connect(server.target) as client:
        plain = export_forward(digits_classifier, torch.zeros(2, 1, 8, 8), kind=GraphKind.CLASSIFIER)
        return client.upload_classifier(plain.SerializeToString())


def test_a_scikit_learn_classifier_arrives_as_one_of_probabilities(uploaded):
    assert not uploaded.has_pullback
    assert (uploaded.input_shape, uploaded.classes) == ((1, 8, 8), 10)


@pytest.mark.parametrize("max_scored", [100, 0])
def test_a_scikit_learn_classifier_selects(client, campaign, uploaded, estimator, digits, max_scored):
    selection = client.select_samples(
        campaign,
        acquisition="maximum_entropy",
        classifier=uploaded,
        budget=15,
        strategy=Dowser(max_scored=max_scored),
        seed=2,
    )
    assert len(set(selection.pool_ids.tolist())) == 15
    rows = selection.pool_ids.astype(int)
    x = (digits.pool[rows].astype(np.float32) * np.float32(2 / 255) - 1).reshape(-1, 64)
    p = np.maximum(estimator.predict_proba(x), 1e-30)
    np.testing.assert_allclose([pick.score for pick in selection.picks], -(p * np.log(p)).sum(1), atol=1e-3)


def test_its_synthetic_samples_score_more_than_their_starts(client, uploaded):
    made = client.synthesize_samples(uploaded, latents=20, steps=100, seed=3)
    assert (made.scores >= made.initial_scores).all()
    assert made.scores.mean() > made.initial_scores.mean() + 0.3


def test_more_steps_find_higher_scores(client, uploaded):
    few = client.synthesize_samples(uploaded, latents=20, steps=16, seed=3)
    many = client.synthesize_samples(uploaded, latents=20, steps=200, seed=3)
    assert many.scores.mean() > few.scores.mean()


def test_the_same_seed_gives_the_same_answer(client, uploaded):
    strategy = Dowser(max_scored=100, steps=60)
    one, again, other = (
        client.select_samples(
            client.create_campaign(f"seed-{uploaded.classifier_id[-8:]}-{turn}"),
            classifier=uploaded,
            budget=10,
            strategy=strategy,
            seed=seed,
        ).pool_ids.tolist()
        for turn, seed in enumerate((5, 5, 6))
    )
    assert one == again
    assert one != other


@pytest.mark.parametrize("strategy", [Dowser(max_scored=100), Dowser(max_scored=0)], ids=["dowser", "plain"])
def test_a_forward_only_network_selects_what_its_pullback_export_does(
    client, campaign, forward_only, classifier, strategy
):
    assert not forward_only.has_pullback
    other = client.create_campaign(f"{campaign}-forward-only")
    with_gradient = client.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=15, strategy=strategy, seed=4
    )
    derived = client.select_samples(
        other, acquisition="maximum_entropy", classifier=forward_only, budget=15, strategy=strategy, seed=4
    )
    shared = set(with_gradient.pool_ids.tolist()) & set(derived.pool_ids.tolist())
    assert len(shared) >= 12


def test_its_ascent_is_that_of_the_pullback_export(client, forward_only, classifier):
    with_gradient = client.synthesize_samples(classifier, latents=12, steps=50, seed=3)
    derived = client.synthesize_samples(forward_only, latents=12, steps=50, seed=3)
    np.testing.assert_allclose(derived.initial_scores, with_gradient.initial_scores, atol=1e-4)
    np.testing.assert_allclose(derived.scores, with_gradient.scores, atol=0.02)


def test_a_network_of_probabilities_climbs_as_one_of_logits(client, digits_classifier, classifier):
    softmax = nn.Sequential(digits_classifier, nn.Softmax(dim=1))
    data = export_forward(softmax, torch.zeros(2, 1, 8, 8), kind=GraphKind.CLASSIFIER, probabilities=True)
    uploaded = client.upload_classifier(data.SerializeToString())
    with_gradient = client.synthesize_samples(classifier, latents=12, steps=50, seed=3)
    derived = client.synthesize_samples(uploaded, latents=12, steps=50, seed=3)
    np.testing.assert_allclose(derived.scores, with_gradient.scores, atol=0.02)
