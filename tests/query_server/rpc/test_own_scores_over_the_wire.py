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
    module = made("m2-vaal", digits, digits_classifier)
    info = client.upload_classifier(export_scored(module, tensors(digits)[0]))
    assert info.embedding_dim == 42
    client.record_labels(campaign, [(row, int(digits.pool_labels[row])) for row in range(LABELED)])
    options = {"classifier": info, "budget": 20, "acquisition": "least_confidence", "batch": Batch(rule=rule)}
    exhaustive = client.select_samples(campaign, strategy=Exhaustive(), seed=3, **options)
    picked = set(exhaustive.pool_ids.tolist())
    assert len(picked & chosen_by_hand(rule, module, digits, 20)) >= 19  # one may differ by rounding
    bounded = client.select_samples(campaign, strategy=RandomSubset(max_scored=200), seed=3, **options)
    assert bounded.scored == 200 and len(set(bounded.pool_ids.tolist())) == 20
    assert min(bounded.pool_ids) >= LABELED


def chosen_by_hand(rule, module, digits, budget):
    """Return the ids of Algorithm 1 or 2 over all samples that are not labeled, written down sample by sample."""
    with torch.no_grad():
        logits, latents, _ = (each.double() for each in module(tensors(digits)[0]))
    classes, latents = logits.argmax(dim=1).numpy()[LABELED:], latents.numpy()
    doubt = 1 - logits.softmax(dim=1).amax(dim=1).numpy()[LABELED:]
    labels, candidates = digits.pool_labels[:LABELED], latents[LABELED:]
    anchors = {c: list(latents[:LABELED][labels == c]) for c in range(10)}
    turns = sorted(np.unique(classes).tolist(), key=lambda c: len(anchors[c]))
    taken = np.zeros(len(candidates), bool)
    for turn in range(budget):
        pairs = zip(candidates, classes, strict=True)
        far = np.array([np.linalg.norm(z - np.array(anchors[c]), axis=1).sum() for z, c in pairs])
        if rule == "anchor_distance":
            worth = np.where(classes == turns[turn % len(turns)], far, -1)
        else:
            reach = {c: far[classes == c].max() for c in turns}
            worth = doubt * far / np.array([reach[c] for c in classes])
        pick = int(np.where(taken, -1, worth).argmax())
        taken[pick] = True
        anchors[classes[pick]].append(candidates[pick])
    return set((np.flatnonzero(taken) + LABELED).tolist())


def test_a_classifier_without_a_score_is_refused(client, campaign, classifier):
    with pytest.raises(InvalidArgumentError, match="score"):
        client.select_samples(campaign, classifier=classifier, budget=5, acquisition="own_score")
