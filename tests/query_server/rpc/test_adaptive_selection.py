"""The adaptive policy, fixed shares, batch rules and the diagnosis against a real server process."""

from __future__ import annotations

import uuid

import grpc
import numpy as np
import pytest

from client import (
    Batch,
    BatchRule,
    CandidateSource,
    Client,
    Dowser,
    DowserError,
    Exhaustive,
    export_classifier,
)
from dowser.v1 import selection_pb2, selection_pb2_grpc

STRATEGY = Dowser(max_scored=150, steps=20, latents=8, warm_start=0.5)
PROPOSING = [source for source in CandidateSource if source not in ("exhaustive", "cells", "unknown")]


def play(client, name, classifier, digits, rounds, *, strategy=STRATEGY, **options):
    """Select and label for some rounds; returns the selections."""
    selections = []
    for _ in range(rounds):
        selection = client.select_samples(
            name, classifier=classifier, budget=15, strategy=strategy, **options
        )
        client.record_labels(name, {int(i): int(digits.pool_labels[int(i)]) for i in selection.pool_ids})
        selections.append(selection)
    return selections


def new_campaign(client, *, seed=4):
    return client.create_campaign(f"adaptive-{uuid.uuid4().hex}", seed=seed).campaign_id


@pytest.fixture(scope="module")
def ensemble(server, digits_classifier, train_classifier):
    members = [digits_classifier, train_classifier(labels=80, seed=1), train_classifier(labels=80, seed=2)]
    with Client.connect(server.target) as connected:
        return connected.upload_classifier(export_classifier(members, (1, 8, 8))).classifier_id


def test_the_same_seed_labels_and_rounds_give_the_same_answers(client, classifier, digits):
    once, again = (play(client, new_campaign(client), classifier, digits, 4) for _ in range(2))
    for first, second in zip(once, again, strict=True):
        assert first.pool_ids.tolist() == second.pool_ids.tolist()
        assert first.seed == second.seed
        assert first.diagnosis == second.diagnosis
    other = play(client, new_campaign(client, seed=5), classifier, digits, 1)
    assert other[0].pool_ids.tolist() != once[0].pool_ids.tolist()


def test_what_a_campaign_has_learned_survives_a_kill(own_server, classifier_bytes, digits):
    server = own_server()
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        for name in ("undisturbed", "killed"):
            client.create_campaign(name, seed=4)
        expected = play(client, "undisturbed", uploaded, digits, 4)
        before = play(client, "killed", uploaded, digits, 2)
    server.process.kill()
    server.process.wait()
    with Client.connect(own_server(state=server.state).target) as client:
        after = play(client, "killed", uploaded, digits, 2)
    for theirs, ours in zip(expected, [*before, *after], strict=True):
        assert ours.pool_ids.tolist() == theirs.pool_ids.tolist()
        assert ours.diagnosis == theirs.diagnosis
    assert sum(report.labeled for report in after[-1].diagnosis.sources) > 0


def test_the_diagnosis_is_filled_in(client, campaign, classifier, digits):
    selections = play(client, campaign, classifier, digits, 3)
    for selection in selections:
        told = selection.diagnosis
        assert sum(report.scored for report in told.sources) == selection.scored == 150
        assert sum(report.picked for report in told.sources) == 15
        assert sum(report.share for report in told.sources) == pytest.approx(1, abs=1e-5)
        assert 0 <= told.redundancy <= 1
        assert 0 <= told.capture.low <= told.capture.value <= told.capture.high <= 1
        assert told.capture.draws >= 75  # the random floor is half
        assert told.reasons
        for report in told.sources:
            assert report.picked == sum(pick.source == report.source for pick in selection.picks)
    first, last = selections[0].diagnosis, selections[-1].diagnosis
    assert first.reasons[0] == "no labels yet: random draws alone"
    assert all(report.labeled == 0 and report.yield_ is None for report in first.sources)
    assert {"labeled_neighbors", "random"} <= {report.source for report in last.sources}
    # All 30 labels of the rounds before are told of, but for those of sources that rest in this round.
    assert 0 < sum(report.labeled for report in last.sources) <= 30
    random = next(report for report in last.sources if report.source == "random")
    assert random.yield_ == pytest.approx(1)


@pytest.mark.parametrize("source", PROPOSING)
def test_every_source_can_be_asked_alone(client, campaign, classifier, digits, source):
    client.record_labels(campaign, {row: int(digits.pool_labels[row]) for row in range(40)})
    play(client, campaign, classifier, digits, 1)  # something to carry over
    alone = Dowser(max_scored=100, steps=20, latents=8, shares={source: 1.0})
    selection = client.select_samples(campaign, classifier=classifier, budget=15, strategy=alone)
    scored = {report.source: report.scored for report in selection.diagnosis.sources}
    assert selection.scored == 100
    assert scored[source] >= 50
    assert set(scored) <= {source, "random"}


def test_shares_of_any_sum_divide_what_is_scored(client, campaign, classifier, digits):
    client.record_labels(campaign, {row: int(digits.pool_labels[row]) for row in range(40)})
    shares = {"random": 6, "labeled_neighbors": 3, "synthesis": 1, "climb": 0}
    selection = client.select_samples(
        campaign, classifier=classifier, budget=10, strategy=Dowser(max_scored=200, steps=20, shares=shares)
    )
    told = {report.source: (report.scored, round(report.share, 5)) for report in selection.diagnosis.sources}
    assert told == {"random": (120, 0.6), "labeled_neighbors": (60, 0.3), "synthesis": (20, 0.1)}


@pytest.mark.parametrize("shares", [{"hearsay": 1.0}, {"exhaustive": 1.0}, {"random": 0.0}, {"random": -1.0}])
def test_shares_that_cannot_be_are_refused(client, campaign, classifier, shares):
    with pytest.raises(DowserError) as refused:
        client.select_samples(campaign, classifier=classifier, budget=5, strategy=Dowser(shares=shares))
    assert refused.value.reason == "INVALID_ARGUMENT"
    assert refused.value.metadata["field"] == "shares"
    assert client.get_campaign(campaign).leased == 0


def test_a_source_or_batch_rule_of_another_version_is_refused_by_the_server(server, campaign, classifier):
    with grpc.insecure_channel(server.target) as channel:
        stub = selection_pb2_grpc.SelectionServiceStub(channel)
        for field in ("shares", "batch.rule"):
            request = selection_pb2.SelectSamplesRequest(
                request_id=uuid.uuid4().hex, campaign_id=campaign, classifier_id=classifier, budget=5
            )
            if field == "shares":
                request.dowser.shares.add(source=99, share=1.0)
            else:
                request.batch.rule = 99
            with pytest.raises(grpc.RpcError) as refused:
                stub.SelectSamples(request)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert field in refused.value.details()


@pytest.mark.parametrize("rule", [rule for rule in BatchRule if rule not in ("batch_bald", "unknown")])
def test_every_batch_rule_draws_a_batch_of_what_was_scored(client, campaign, classifier, digits, rule):
    client.record_labels(campaign, {row: int(digits.pool_labels[row]) for row in range(40)})
    answers = [
        client.select_samples(
            new, classifier=classifier, budget=12, seed=9, strategy=Exhaustive(), batch=Batch(rule=rule)
        ).pool_ids.tolist()
        for new in (campaign, new_campaign(client))
    ]
    assert all(len(set(answer)) == 12 for answer in answers)


def test_the_default_batch_of_an_exhaustive_search_is_the_top(client, classifier):
    default, top = (
        client.select_samples(
            new_campaign(client), classifier=classifier, budget=12, strategy=Exhaustive(), batch=batch
        )
        for batch in (None, Batch(rule="top"))
    )
    assert default.pool_ids.tolist() == top.pool_ids.tolist()


def test_a_class_balanced_batch_spreads_over_the_classes(client, campaign, classifier):
    by_rule = {
        rule: [
            pick.predicted_class
            for pick in client.select_samples(
                new_campaign(client),
                classifier=classifier,
                budget=40,
                strategy=Exhaustive(),
                batch=Batch(rule=rule),
            ).picks
        ]
        for rule in ("top", "class_balanced")
    }
    largest = {rule: np.bincount(classes).max() for rule, classes in by_rule.items()}
    assert largest["class_balanced"] < largest["top"]
    assert len(set(by_rule["class_balanced"])) == 10


def test_a_class_prior_prefers_what_is_predicted_to_be_rare(client, classifier, digits):
    predicted = {}
    common = {row: int(label) for row, label in enumerate(digits.pool_labels[:300]) if label != 8}
    for weight in (0.0, 2.0):
        campaign = new_campaign(client)
        client.record_labels(campaign, common)
        selection = client.select_samples(
            campaign, classifier=classifier, budget=30, strategy=Exhaustive(), class_prior_weight=weight
        )
        predicted[weight] = sum(pick.predicted_class == 8 for pick in selection.picks)
    assert predicted[2.0] > predicted[0.0]
    assert predicted[2.0] > 15


def test_epig_of_an_ensemble_selects(client, campaign, ensemble, digits):
    selections = play(client, campaign, ensemble, digits, 2, acquisition="epig")
    for selection in selections:
        scores = selection.scores
        assert np.isfinite(scores).all()
        assert (scores > -1e-6).all()
        assert selection.scored == 150


def test_batch_bald_needs_passes(client, campaign, classifier, ensemble):
    request = {"budget": 6, "acquisition": "bald", "strategy": STRATEGY, "batch": Batch(rule="batch_bald")}
    selection = client.select_samples(campaign, classifier=ensemble, **request)
    assert len(set(selection.pool_ids.tolist())) == 6
    with pytest.raises(DowserError, match="stochastic passes") as refused:
        client.select_samples(campaign, classifier=classifier, **(request | {"acquisition": "margin"}))
    assert refused.value.reason == "INVALID_ARGUMENT"
    assert refused.value.metadata["field"] == "batch.rule"
    assert client.get_campaign(campaign).leased == 6
