"""SelectSamples against a real server process: what is picked, how it is explained, and what a refusal changes."""

from __future__ import annotations

import threading
import uuid

import numpy as np
import onnxruntime
import pytest

from client import Batch, Client, Dowser, DowserError, Exhaustive, Random, RandomSubset

STRATEGIES = {
    "dowser": Dowser(max_scored=120),
    "synthesis": Dowser(max_scored=120, shares={"synthesis": 1.0}),
    "plain": Dowser(max_scored=0),
    "exhaustive": Exhaustive(),
    "random_subset": RandomSubset(max_scored=120),
    "random": Random(),
}


@pytest.fixture(scope="module")
def entropies(digits, classifier_bytes):
    """The entropy of every pool sample, from the exported graph and a formula written here."""
    session = onnxruntime.InferenceSession(classifier_bytes, providers=["CPUExecutionProvider"])
    x = digits.pool[:, None].astype(np.float32) * np.float32(2 / 255) - 1
    logits = session.run(["logits"], {"x": x, "dlogits": np.zeros((len(x), 10), np.float32)})[0].astype(float)
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -(p * np.log(np.maximum(p, 1e-30))).sum(1)


@pytest.mark.parametrize("name", STRATEGIES)
def test_picks_are_distinct_and_never_handed_out_twice(client, campaign, classifier, digits, name):
    seen: set[int] = set()
    for _ in range(4):
        selection = client.select_samples(
            campaign,
            acquisition="maximum_entropy",
            classifier=classifier,
            budget=25,
            strategy=STRATEGIES[name],
        )
        ids = selection.pool_ids.tolist()
        assert len(set(ids)) == 25
        assert not seen & set(ids)
        assert max(ids) < len(digits.pool)
        seen |= set(ids)
    assert client.get_campaign(campaign).leased == 100


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_pick_carries_its_real_score(client, campaign, classifier, entropies, name):
    selection = client.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=20, strategy=STRATEGIES[name]
    )
    for pick in selection.picks:
        assert pick.score == pytest.approx(entropies[pick.pool_id], abs=1e-4)


def test_exhaustive_picks_are_the_highest_scores_of_the_pool(client, campaign, classifier, entropies):
    selection = client.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=30, strategy=Exhaustive()
    )
    expected = np.sort(entropies)[::-1][:30]
    np.testing.assert_allclose(entropies[selection.pool_ids.astype(int)], expected, atol=1e-4)
    assert selection.scored == len(entropies)


def test_dowser_scores_no_more_than_it_may_and_picks_the_best_of_it(client, campaign, classifier, entropies):
    selection = client.select_samples(
        campaign,
        acquisition="maximum_entropy",
        classifier=classifier,
        budget=20,
        strategy=Dowser(max_scored=150, latents=30, shares={"synthesis": 1.0}),
        batch=Batch(rule="top"),
    )
    assert {pick.source for pick in selection.picks} == {"synthesis"}
    scores = [pick.score for pick in selection.picks]
    assert selection.scored == 150
    assert scores == sorted(scores, reverse=True)
    assert np.mean(scores) > 1.5 * entropies.mean()


def test_each_match_is_explained_by_its_synthetic_sample(client, campaign, classifier, digits):
    selection = client.select_samples(
        campaign,
        acquisition="maximum_entropy",
        classifier=classifier,
        budget=15,
        strategy=Dowser(max_scored=0),
        return_synthetic=True,
    )
    assert selection.synthetic_samples.shape == (15, 1, 8, 8)
    for pick in selection.picks:
        assert pick.source == "synthesis"
        assert pick.synthetic_score == pytest.approx(selection.synthetic_scores[pick.synthetic_index])
        near = client.search_neighbors(samples=selection.synthetic_samples[[pick.synthetic_index]], k=40)
        found = dict(zip(near.pool_ids[0].tolist(), near.distances[0].tolist(), strict=True))
        assert pick.distance == pytest.approx(found[pick.pool_id], rel=1e-3)
    # The first in line takes its very nearest.
    first = selection.picks[0]
    nearest = client.search_neighbors(samples=selection.synthetic_samples[[first.synthetic_index]], k=1)
    assert nearest.pool_ids[0][0] == first.pool_id


def test_labeled_samples_are_never_selected(client, campaign, classifier, digits):
    labeled = {row: int(digits.pool_labels[row]) for row in range(1250)}
    client.record_labels(campaign, labeled)
    for strategy in STRATEGIES.values():
        selection = client.select_samples(
            campaign, acquisition="maximum_entropy", classifier=classifier, budget=5, strategy=strategy
        )
        assert min(selection.pool_ids.tolist()) >= 1250


def test_the_whole_pool_can_be_drawn_and_no_more(client, campaign, classifier, digits):
    client.record_labels(campaign, {row: 0 for row in range(1290)})
    selection = client.select_samples(
        campaign,
        acquisition="maximum_entropy",
        classifier=classifier,
        budget=7,
        strategy=Dowser(max_scored=0),
    )
    assert sorted(selection.pool_ids.tolist()) == list(range(1290, 1297))
    with pytest.raises(DowserError) as refused:
        client.select_samples(campaign, acquisition="maximum_entropy", classifier=classifier, budget=1)
    assert refused.value.reason == "BUDGET_EXCEEDS_POOL"
    assert refused.value.metadata["available"] == "0"


def test_leases_are_what_was_selected_and_not_labeled(client, campaign, classifier):
    selection = client.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=10
    )
    client.record_labels(campaign, {int(pool_id): 1 for pool_id in selection.pool_ids[:3]})
    assert client.list_leases(campaign).tolist() == sorted(selection.pool_ids[3:].tolist())
    client.release_samples(campaign, client.list_leases(campaign))
    assert client.list_leases(campaign).tolist() == []


def test_released_samples_can_be_selected_again(client, campaign, classifier):
    first = client.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=10, strategy=Exhaustive()
    )
    client.release_samples(campaign, first.pool_ids)
    second = client.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=10, strategy=Exhaustive()
    )
    assert second.pool_ids.tolist() == first.pool_ids.tolist()


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_same_seed_and_state_give_the_same_picks(client, classifier, name):
    answers = []
    for _ in range(2):
        campaign = client.create_campaign(f"seed-{uuid.uuid4().hex}").campaign_id
        selection = client.select_samples(
            campaign,
            acquisition="maximum_entropy",
            classifier=classifier,
            budget=20,
            strategy=STRATEGIES[name],
            seed=11,
        )
        answers.append(selection.pool_ids.tolist())
    assert answers[0] == answers[1]


def test_a_repeated_request_id_returns_the_same_answer_and_leases_nothing_more(client, campaign, classifier):
    request_id = uuid.uuid4().hex
    answers = [
        client.select_samples(
            campaign, acquisition="maximum_entropy", classifier=classifier, budget=10, request_id=request_id
        )
        for _ in range(2)
    ]
    assert answers[0].pool_ids.tolist() == answers[1].pool_ids.tolist()
    assert answers[0].total_seconds == answers[1].total_seconds
    assert client.get_campaign(campaign).leased == 10
    with pytest.raises(DowserError) as refused:
        client.select_samples(
            campaign, acquisition="maximum_entropy", classifier=classifier, budget=11, request_id=request_id
        )
    assert refused.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("function", ["maximum_entropy", "least_confidence", "margin", "minimum_distance"])
def test_every_acquisition_function_climbs_and_selects(client, campaign, classifier, function):
    made = client.synthesize_samples(classifier, acquisition=function, latents=8, steps=60, seed=3)
    assert np.mean(made.scores) > np.mean(made.initial_scores)
    informed = client.select_samples(
        campaign,
        classifier=classifier,
        budget=20,
        acquisition=function,
        strategy=Exhaustive(),
    )
    uninformed = client.select_samples(
        campaign,
        classifier=classifier,
        budget=20,
        acquisition=function,
        strategy=Random(),
    )
    assert np.mean([p.score for p in informed.picks]) > np.mean([p.score for p in uninformed.picks])


def test_two_clients_with_different_classifiers_get_what_each_gets_alone(
    server, classifier_bytes, other_classifier_bytes
):
    def select(data: bytes, out: list[list[int]]) -> None:
        with Client.connect(server.target) as mine:
            uploaded = mine.upload_classifier(data).classifier_id
            for repeat in range(3):
                campaign = mine.create_campaign(f"pair-{uuid.uuid4().hex}").campaign_id
                selection = mine.select_samples(
                    campaign,
                    acquisition="maximum_entropy",
                    classifier=uploaded,
                    budget=20,
                    strategy=Dowser(max_scored=150),
                    seed=repeat,
                )
                out.append(selection.pool_ids.tolist())

    alone: list[list[list[int]]] = [[], []]
    together: list[list[list[int]]] = [[], []]
    for data, out in zip((classifier_bytes, other_classifier_bytes), alone, strict=True):
        select(data, out)
    threads = [
        threading.Thread(target=select, args=(data, out))
        for data, out in zip((classifier_bytes, other_classifier_bytes), together, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert alone[0] != alone[1]


def test_callers_of_one_campaign_at_the_same_time_never_share_an_id(server, client, campaign, classifier):
    drawn: list[int] = []
    failures: list[BaseException] = []

    def draw() -> None:
        try:
            with Client.connect(server.target) as mine:
                for strategy in (Exhaustive(), Random(), Dowser(max_scored=60)):
                    selection = mine.select_samples(
                        campaign,
                        acquisition="maximum_entropy",
                        classifier=classifier,
                        budget=10,
                        strategy=strategy,
                    )
                    drawn.extend(selection.pool_ids.tolist())
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(drawn) == len(set(drawn)) == 120
    assert client.get_campaign(campaign).leased == 120


def test_stage_timings_add_up(client, campaign, classifier):
    strategy = Dowser(shares={"synthesis": 1.0, "random": 1.0}, latents=20)
    selection = client.select_samples(campaign, classifier=classifier, budget=20, strategy=strategy)
    stages = {timing.stage: timing for timing in selection.timings}
    assert {"prepare", "synthesize", "encode", "search", "read", "score", "pick"} <= set(stages)
    assert sum(timing.seconds for timing in selection.timings) <= selection.total_seconds
    assert all(0 <= timing.engine_seconds <= timing.seconds for timing in selection.timings)
    assert stages["synthesize"].engine_seconds > 0
