"""The client and the real server: every method, on real digits."""

from __future__ import annotations

import asyncio
import uuid

import numpy as np
import pytest

from client import (
    AlreadyExistsError,
    AsyncClient,
    Campaign,
    ClassifierInfo,
    Client,
    ConflictError,
    Dowser,
    Exhaustive,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    Random,
    RandomSubset,
)


@pytest.fixture(scope="module")
def connected(server):
    with Client.connect(server.target, timeout_seconds=60) as client:
        yield client


@pytest.fixture(scope="module")
def classifier(connected: Client, classifier_bytes: bytes) -> ClassifierInfo:
    return connected.upload_classifier(classifier_bytes)


@pytest.fixture
def campaign(connected: Client):
    made = connected.create_campaign(f"client-{uuid.uuid4().hex}", seed=3)
    yield made
    connected.delete_campaign(made)


def test_the_pool_describes_itself(connected: Client, digits) -> None:
    (pool,) = connected.list_pools()
    assert pool == connected.get_pool() == connected.get_pool("digits")
    assert pool.size == len(digits.pool)
    assert pool.raw_shape == (8, 8)
    assert pool.input_shape == (1, 8, 8)
    assert pool.raw_dtype == np.uint8
    assert 0 < pool.recall_at_10 <= 1


def test_samples_come_back_as_they_were_put_in(connected: Client, digits) -> None:
    ids = np.array([5, 0, 1200], dtype=np.uint64)
    np.testing.assert_array_equal(connected.get_samples(ids), digits.pool[[5, 0, 1200]])


def test_more_samples_than_one_call_takes_come_in_order(connected: Client, digits) -> None:
    ids = np.arange(len(digits.pool))[::-1]
    np.testing.assert_array_equal(connected.get_samples(ids), digits.pool[::-1])


def test_inputs_made_by_the_client_are_those_the_server_searches_by(connected: Client, digits) -> None:
    pool = connected.get_pool()
    raw = digits.test[:4]
    by_raw = connected.search_neighbors(samples=raw, k=5)
    by_input = connected.search_neighbors(samples=pool.to_inputs(raw), k=5)
    for one, other in zip(by_raw.pool_ids, by_input.pool_ids, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_sample_is_its_own_nearest_neighbor(connected: Client) -> None:
    found = connected.search_neighbors(pool_ids=[7, 70, 700], k=3)
    assert [ids[0] for ids in found.pool_ids] == [7, 70, 700]
    assert all(np.all(np.diff(distances) >= 0) for distances in found.distances)


def test_features_of_another_width_are_refused(connected: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        connected.search_neighbors(features=np.zeros((1, 3)), k=1)
    assert caught.value.reason == "SHAPE_MISMATCH"


def test_an_upload_is_named_by_its_content(connected: Client, classifier, classifier_bytes: bytes) -> None:
    assert connected.upload_classifier(classifier_bytes) == classifier
    assert connected.get_classifier(classifier) == classifier
    assert classifier.size_bytes == len(classifier_bytes)
    assert classifier.input_shape == (1, 8, 8)
    assert classifier.classes == 10
    assert classifier.has_pullback


def test_what_is_no_onnx_is_rejected(connected: Client) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        connected.upload_classifier(b"no model at all")
    assert caught.value.reason == "CLASSIFIER_REJECTED"


def test_campaigns_are_found_by_id_and_by_name(connected: Client, campaign: Campaign) -> None:
    assert connected.get_campaign(campaign.name) == connected.get_campaign(campaign.campaign_id) == campaign
    assert campaign in connected.list_campaigns()
    assert campaign.seed == 3


def test_a_name_is_given_once(connected: Client, campaign: Campaign) -> None:
    with pytest.raises(AlreadyExistsError) as caught:
        connected.create_campaign(campaign.name)
    assert caught.value.reason == "CAMPAIGN_EXISTS"


def test_the_same_request_id_creates_one_campaign(connected: Client) -> None:
    name, request_id = f"client-{uuid.uuid4().hex}", uuid.uuid4().hex
    first = connected.create_campaign(name, request_id=request_id)
    assert connected.create_campaign(name, request_id=request_id) == first
    with pytest.raises(ConflictError) as caught:
        connected.create_campaign(name + "-2", request_id=request_id)
    assert caught.value.reason == "REQUEST_ID_REUSED"
    connected.delete_campaign(first)
    with pytest.raises(NotFoundError):
        connected.get_campaign(first)


@pytest.mark.parametrize(
    "strategy",
    [
        Dowser(max_scored=100, steps=10),
        Dowser(max_scored=0, steps=10),
        Exhaustive(),
        RandomSubset(max_scored=100),
        Random(),
    ],
    ids=["dowser", "plain asal", "exhaustive", "random subset", "random"],
)
def test_every_strategy_picks_the_budget(connected: Client, campaign, classifier, strategy) -> None:
    selection = connected.select_samples(
        campaign, acquisition="maximum_entropy", classifier=classifier, budget=6, strategy=strategy
    )
    assert len(set(selection.pool_ids.tolist())) == 6
    assert selection.round == 1
    assert selection.timings
    assert connected.get_campaign(campaign).leased == 6


def test_synthetic_samples_come_along_when_asked_for(connected: Client, campaign, classifier) -> None:
    selection = connected.select_samples(
        campaign,
        acquisition="maximum_entropy",
        classifier=classifier,
        budget=4,
        strategy=Dowser(steps=10, shares={"synthesis": 1.0}),
        return_synthetic=True,
    )
    assert selection.synthetic_samples is not None
    assert selection.synthetic_samples.shape == (4, 1, 8, 8)
    assert selection.synthetic_scores is not None
    for pick in selection.picks:
        if pick.synthetic_index is not None:
            assert pick.synthetic_score == pytest.approx(selection.synthetic_scores[pick.synthetic_index])


def test_a_retried_selection_is_the_same_selection(connected: Client, campaign, classifier) -> None:
    def select():
        return connected.select_samples(
            campaign,
            acquisition="maximum_entropy",
            classifier=classifier,
            budget=5,
            strategy=Exhaustive(),
            request_id="once-" + campaign.name,
        )

    first, second = select(), select()
    np.testing.assert_array_equal(first.pool_ids, second.pool_ids)
    assert connected.get_campaign(campaign).rounds == 1


def test_labels_are_recorded_listed_and_never_selected_again(connected: Client, campaign) -> None:
    selection = connected.select_samples(campaign, budget=5, strategy=Random())
    labels = {int(i): int(i) % 10 for i in selection.pool_ids}
    outcome = connected.record_labels(campaign, labels, annotator="test")
    assert (outcome.recorded, outcome.labeled) == (5, 5)
    assert connected.record_labels(campaign, labels).recorded == 0
    listed = list(connected.list_labels(campaign, page_size=2))
    assert {each.pool_id: each.label for each in listed} == labels
    assert {each.annotator for each in listed} == {"test"}
    rest = connected.select_samples(campaign, budget=connected.get_pool().size - 5, strategy=Random())
    assert not set(rest.pool_ids.tolist()) & set(labels)


def test_a_different_label_is_a_conflict(connected: Client, campaign) -> None:
    connected.record_labels(campaign, {1: 1})
    with pytest.raises(ConflictError) as caught:
        connected.record_labels(campaign, {1: 2})
    assert caught.value.metadata["pool_id"] == "1"


def test_released_samples_are_free_again(connected: Client, campaign) -> None:
    selection = connected.select_samples(campaign, budget=5, strategy=Random())
    assert connected.release_samples(campaign, selection.pool_ids) == 5
    assert connected.get_campaign(campaign).leased == 0


def test_a_budget_above_what_is_free_says_what_frees_samples(connected: Client, campaign) -> None:
    connected.select_samples(campaign, budget=connected.get_pool().size, strategy=Random())
    with pytest.raises(FailedPreconditionError, match="release what is leased and will not be labeled"):
        connected.select_samples(campaign, budget=1, strategy=Random())


def test_a_budget_above_the_pool_is_a_failed_precondition(connected: Client, campaign) -> None:
    with pytest.raises(FailedPreconditionError) as caught:
        connected.select_samples(campaign, budget=10_000, strategy=Random())
    assert caught.value.reason == "BUDGET_EXCEEDS_POOL"
    with pytest.raises(InvalidArgumentError):
        connected.select_samples(campaign, budget=0, strategy=Random())


def test_synthesis_raises_the_score(connected: Client, classifier) -> None:
    made = connected.synthesize_samples(classifier, latents=8, steps=30, seed=1)
    assert made.samples.shape == (8, 1, 8, 8)
    assert made.scores.mean() > made.initial_scores.mean()


def test_the_asyncio_client_gives_the_same_answers(server, connected: Client, campaign, classifier) -> None:
    async def run() -> list[np.ndarray]:
        async with AsyncClient.connect(server.target) as client:
            found, samples = await asyncio.gather(
                client.search_neighbors(pool_ids=[3], k=4), client.get_samples([3, 4])
            )
            await client.record_labels(campaign, {3: 3})
            labels = [each.pool_id async for each in client.list_labels(campaign)]
            return [found.pool_ids[0], samples, np.array(labels)]

    ids, samples, labels = asyncio.run(run())
    np.testing.assert_array_equal(ids, connected.search_neighbors(pool_ids=[3], k=4).pool_ids[0])
    np.testing.assert_array_equal(samples, connected.get_samples([3, 4]))
    assert labels.tolist() == [3]
