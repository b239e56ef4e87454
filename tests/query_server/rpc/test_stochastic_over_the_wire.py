"""Stochastic classifiers against a real server: BALD and its kin equal torch on the same dropout masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from client import ActiveLearner, Batch, Client, Dowser, DowserError, Exhaustive, Random, export_classifier
from graphs import fix_dropout

PASSES, SEED = 8, 5


@pytest.fixture(scope="module")
def dropout_classifier(digits_classifier):
    """The digits' classifier with dropout before its last layer."""
    *body, last = digits_classifier
    return torch.nn.Sequential(*body, torch.nn.Dropout(0.5), last).eval()


@pytest.fixture(scope="module")
def stochastic(server, dropout_classifier):
    data = export_classifier(dropout_classifier, (1, 8, 8), passes=PASSES, seed=SEED)
    with Client.connect(server.target) as connected:
        info = connected.upload_classifier(data)
    assert (info.passes, info.classes) == (PASSES, 10)
    return info.classifier_id


@pytest.fixture(scope="module")
def passes_of(dropout_classifier):
    """Probabilities float64 [T, n, C] of model inputs, by torch alone on the masks that were exported."""
    masked = fix_dropout(dropout_classifier, PASSES, SEED, torch.zeros(1, 1, 8, 8))

    def run(x):
        with torch.no_grad():
            return masked(torch.from_numpy(np.array(x))).double().softmax(2).numpy()

    return run


def bald(p):
    mean = p.mean(0)
    return -(mean * np.log(mean)).sum(1) + (p * np.log(p)).sum(2).mean(0)


def inputs(digits):
    return digits.pool[:, None].astype(np.float32) * np.float32(2 / 255) - 1


@pytest.fixture(scope="module")
def balds(digits, passes_of):
    return bald(passes_of(inputs(digits)))


def test_exhaustive_bald_picks_equal_torch_on_the_same_masks(
    client, campaign, stochastic, digits, passes_of, balds
):
    selection = client.select_samples(
        campaign, classifier=stochastic, budget=30, acquisition="bald", strategy=Exhaustive()
    )
    best = np.argsort(-balds)
    assert balds[best[29]] - balds[best[30]] > 1e-5, "no tie at the end of the list"
    assert set(selection.pool_ids.tolist()) == set(best[:30].tolist())
    predicted = passes_of(inputs(digits)).mean(0).argmax(1)
    for pick in selection.picks:
        assert pick.score == pytest.approx(balds[pick.pool_id], abs=1e-5)
        assert pick.predicted_class == predicted[pick.pool_id]


def test_dowser_bald_picks_equal_torch_on_the_same_masks(client, campaign, stochastic, passes_of, balds):
    selection = client.select_samples(
        campaign,
        classifier=stochastic,
        budget=20,
        acquisition="bald",
        strategy=Dowser(max_scored=150, latents=10, shares={"synthesis": 1.0}),
        batch=Batch(rule="top"),
        return_synthetic=True,
    )
    synthetic = selection.synthetic_samples
    np.testing.assert_allclose(selection.synthetic_scores, bald(passes_of(synthetic)), atol=1e-5)
    # The candidates, found again: nearest neighbors rank by rank until there are 150. Only the last rank may be cut, so
    # the ranks before it are sure candidates and those with it all there can be.
    near = np.stack(client.search_neighbors(samples=synthetic, k=150).pool_ids).astype(int)
    ranks = [set(near[:, :rank].ravel().tolist()) for rank in range(1, near.shape[1] + 1)]
    last = next(i for i, found in enumerate(ranks) if len(found) >= 150)
    sure, possible = ranks[last - 1], ranks[last]
    picked = set(selection.pool_ids.tolist())
    assert selection.scored == 150
    assert picked <= possible
    assert balds[sorted(sure - picked)].max() <= min(balds[sorted(picked)]) + 1e-5
    for pick in selection.picks:
        assert pick.score == pytest.approx(balds[pick.pool_id], abs=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        "maximum_entropy",
        "least_confidence",
        "margin",
        "minimum_distance",
        "variation_ratio",
        "bald",
        "mean_standard_deviation",
    ],
)
def test_every_acquisition_function_climbs_and_selects_over_passes(client, campaign, stochastic, function):
    made = client.synthesize_samples(stochastic, acquisition=function, latents=8, steps=60, seed=3)
    assert np.mean(made.scores) > np.mean(made.initial_scores)
    informed, uninformed = (
        client.select_samples(
            campaign, classifier=stochastic, budget=20, acquisition=function, strategy=strategy
        )
        for strategy in (Exhaustive(), Random())
    )
    assert np.mean([p.score for p in informed.picks]) > np.mean([p.score for p in uninformed.picks])


def test_an_ensemble_selects_what_its_members_disagree_on(
    client, campaign, digits, digits_classifier, train_classifier
):
    members = [digits_classifier, *(train_classifier(labels=80, seed=seed) for seed in (1, 2))]
    uploaded = client.upload_classifier(export_classifier(members, (1, 8, 8)))
    assert uploaded.passes == 3
    with torch.no_grad():
        p = torch.stack([member(torch.from_numpy(inputs(digits))) for member in members]).double().softmax(2)
    expected = bald(p.numpy())
    selection = client.select_samples(
        campaign, classifier=uploaded, budget=15, acquisition="bald", strategy=Exhaustive()
    )
    np.testing.assert_allclose(
        expected[selection.pool_ids.astype(int)], np.sort(expected)[::-1][:15], atol=1e-5
    )


def test_the_loop_takes_a_list_of_modules_as_an_ensemble(client, campaign, digits, train_classifier):
    learner = ActiveLearner(
        client,
        campaign=campaign,
        train=lambda ids, labels: [train_classifier(labels=80, seed=seed) for seed in (1, 2)],
        oracle=lambda ids: digits.pool_labels[ids.astype(int)],
        budget=5,
        acquisition="bald",
        max_labels=10,
    )
    reports = learner.run()
    assert [report.classifier_info.passes for report in reports] == [2, 2]
    assert client.get_campaign(campaign).labeled == 10


def test_bald_of_a_deterministic_classifier_is_refused_and_names_the_passes(client, campaign, classifier):
    with pytest.raises(DowserError, match="at least 2 passes") as refused:
        client.select_samples(campaign, classifier=classifier, budget=5, acquisition="bald")
    assert refused.value.reason == "ACQUISITION_UNSUPPORTED"
    assert refused.value.metadata == {"acquisition": "bald", "passes": "0"}
    assert client.get_campaign(campaign).leased == 0


def test_what_asks_about_the_pool_is_refused_where_every_sample_was_removed(
    own_server, dropout_classifier, digits
):
    with Client.connect(own_server().target) as client:
        classifier = client.upload_classifier(
            export_classifier(dropout_classifier, (1, 8, 8), passes=PASSES, seed=SEED)
        )
        client.remove_samples(np.arange(1297, dtype=np.uint64))
        for call in (
            lambda: client.synthesize_samples(classifier, acquisition="epig", latents=2, steps=2),
            lambda: client.score_samples(classifier, samples=digits.test[:3], acquisitions=["epig"]),
        ):
            with pytest.raises(DowserError, match="all of them were removed") as refused:
                call()
            assert refused.value.reason == "ACQUISITION_UNSUPPORTED"
        assert client.synthesize_samples(classifier, latents=2, steps=2).scores.shape == (2,)
