"""VaB-AL, VAAL, TA-VAAL and M2-VAAL train, export, serve and select through the public API; Algorithms 1 and 2 too."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from client import Batch, Client, Dowser, Exhaustive, RandomSubset
from client.errors import InvalidArgumentError
from trainer.scores import (
    M2VaalConfig,
    VaalConfig,
    VabAlConfig,
    train_m2_vaal,
    train_vaal,
    train_vab_al,
)
from trainer.scores.exporting import export_scored

LABELED = 60


def tensors(digits):
    x = torch.from_numpy(digits.pool[:, None].astype(np.float32) * np.float32(2 / 255) - 1)
    return x, torch.from_numpy(digits.pool_labels)


def made(system, digits, classifier):
    x, y = tensors(digits)
    given = (x[LABELED:], x[:LABELED], y[:LABELED])
    if system == "vab-al":
        return train_vab_al(classifier, *given, VabAlConfig(epochs=2, draws=2, label_draws=5, hidden=32))
    if system in ("vaal", "ta-vaal"):
        config = VaalConfig(ranked=system == "ta-vaal", iterations=10, ranker_iterations=10)
        return train_vaal(classifier, *given, config)
    config = M2VaalConfig(iterations=10, batch_size=16, adversarial=system == "m2-vaal-adversarial")
    return train_m2_vaal(*given, 10, config)


@pytest.fixture(scope="module", params=["vab-al", "vaal", "ta-vaal", "m2-vaal", "m2-vaal-adversarial"])
def system(request, server, digits, digits_classifier):
    module = made(request.param, digits, digits_classifier)
    x, _ = tensors(digits)
    with Client.connect(server.target) as client:
        return module, client.upload_classifier(export_scored(module, x))


def test_the_exhaustive_form_picks_the_highest_scores_of_the_pool(client, campaign, system, digits):
    module, info = system
    assert info.has_score and info.has_pullback
    selection = client.select_samples(
        campaign,
        classifier=info,
        budget=10,
        acquisition="own_score",
        strategy=Exhaustive(),
        batch=Batch(rule="top"),
    )
    with torch.no_grad():
        score = module(tensors(digits)[0])[-1].numpy()
    picked = selection.pool_ids.astype(int)
    highest = np.sort(score)[-10]
    tolerance = 1e-3 * max(1.0, float(np.abs(score).max()))
    assert (score[picked] >= highest - tolerance).all()
    np.testing.assert_allclose([pick.score for pick in selection.picks], score[picked], atol=tolerance)


def test_the_sublinear_form_scores_no_more_than_it_may(client, campaign, system):
    _, info = system
    selection = client.select_samples(
        campaign, classifier=info, budget=10, acquisition="own_score", strategy=Dowser(max_scored=80), seed=1
    )
    assert len(set(selection.pool_ids.tolist())) == 10
    assert selection.scored <= 80


def test_the_score_is_a_column_of_a_scored_pool(client, system, digits):
    module, info = system
    said = client.score_samples(info, pool_ids=[5, 9, 100], acquisitions=["own_score", "margin"])
    with torch.no_grad():
        score = module(tensors(digits)[0][[5, 9, 100]])[-1].numpy()
    tolerance = 1e-3 * max(1.0, float(np.abs(score).max()))
    np.testing.assert_allclose(said.scores["own_score"], score, atol=tolerance)


@pytest.mark.parametrize("rule", ["anchor_distance", "anchor_confidence"])
def test_the_algorithms_of_m2_vaal_pick_in_its_latents(
    client, campaign, server, digits, digits_classifier, rule
):
    info = client.upload_classifier(
        export_scored(made("m2-vaal", digits, digits_classifier), tensors(digits)[0])
    )
    assert info.embedding_dim == 42
    client.record_labels(campaign, [(row, int(digits.pool_labels[row])) for row in range(LABELED)])
    options = {"classifier": info, "budget": 20, "acquisition": "least_confidence", "batch": Batch(rule=rule)}
    for strategy in (Exhaustive(), RandomSubset(max_scored=200)):
        selection = client.select_samples(campaign, strategy=strategy, seed=3, **options)
        assert len(set(selection.pool_ids.tolist())) == 20
        assert min(selection.pool_ids) >= LABELED


def test_a_classifier_without_a_score_is_refused(client, campaign, classifier):
    with pytest.raises(InvalidArgumentError, match="score"):
        client.select_samples(campaign, classifier=classifier, budget=5, acquisition="own_score")
