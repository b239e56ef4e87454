"""A pool whose samples are not on the server: it proposes, the client scores, and the round goes on as ever."""

from __future__ import annotations

import asyncio
import threading
import uuid

import numpy as np
import pytest
from processes import start_server, stop_server

from client import (
    AsyncClient,
    Batch,
    BatchRule,
    Client,
    ConflictError,
    Dowser,
    DowserError,
    FailedPreconditionError,
    InvalidArgumentError,
    OnnxScorer,
    Random,
    Scores,
)
from tests.query_server.rpc.made_scores import some_scores


@pytest.fixture
def campaign(remote_campaign):
    return remote_campaign


@pytest.fixture(scope="module")
def scorer(storeless, digits, classifier_bytes):
    return OnnxScorer(classifier_bytes, storeless.get_pool(), lambda ids: digits.pool[ids.astype(int)])


def test_the_samples_are_nowhere_on_the_server(storeless, storeless_index):
    assert not (storeless_index / "samples.npy").exists()
    assert not storeless.get_pool().has_samples
    with pytest.raises(FailedPreconditionError, match="ProposeSamples") as refused:
        storeless.get_samples([1, 2])
    assert (refused.value.reason, refused.value.metadata) == ("SAMPLES_NOT_STORED", {"pool": "digits"})


@pytest.mark.parametrize(
    ("shares", "options"),
    [
        (None, {}),
        ({"random": 1}, {"class_prior_weight": 1.0}),
        ({"labeled_neighbors": 1, "random": 1}, {"batch": Batch(rule="badge")}),
        ({"seals": 1, "carry_over": 1}, {"batch": Batch(rule="k_center")}),
        ({"class_anchors": 1, "random": 1}, {"batch": Batch(rule="power", duplicate_distance=0.5)}),
        ({"synthesis": 1, "random": 1}, {"batch": Batch(rule="cluster_margin")}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_the_picks_are_those_of_a_server_that_scores(
    client, storeless, classifier, remote_classifier, scorer, digits, shares, options
):
    strategy = Dowser(max_scored=120, shares=shares, steps=20, warm_start=0.5)
    name = f"same-{uuid.uuid4().hex}"
    for each in (client, storeless):
        each.create_campaign(name, seed=9)
        each.record_labels(name, enumerate(digits.pool_labels[:40].tolist()))
    for _ in range(3):
        there = client.select_samples(name, classifier=classifier, budget=12, strategy=strategy, **options)
        here = storeless.select_by_scoring(
            name, scorer, budget=12, classifier=remote_classifier, strategy=strategy, **options
        )
        assert here.pool_ids.tolist() == there.pool_ids.tolist()
        assert [pick.source for pick in here.picks] == [pick.source for pick in there.picks]
        np.testing.assert_allclose(here.scores, there.scores, atol=1e-5)
        assert (here.round, here.seed, here.scored) == (there.round, there.seed, there.scored)
        for mine, theirs in zip(here.diagnosis.sources, there.diagnosis.sources, strict=True):
            assert (mine.source, mine.scored, mine.picked) == (theirs.source, theirs.scored, theirs.picked)
            assert (mine.labeled, mine.contradicted) == (theirs.labeled, theirs.contradicted)
            assert mine.yield_ == pytest.approx(theirs.yield_)
        assert here.match_gap == pytest.approx(there.match_gap, abs=1e-5)
        for each in (client, storeless):
            each.record_labels(
                name, {int(i): int(digits.pool_labels[int(i)]) for i in there.pool_ids.tolist()}
            )
        assert storeless.get_campaign(name).leased == 0
    assert sum(report.labeled for report in here.diagnosis.sources) >= 12
    client.delete_campaign(name)


def test_stochastic_passes_pick_by_their_mean(storeless, campaign):
    def score(pool_ids):
        passes = np.random.default_rng(0).dirichlet(np.ones(4), (3, len(pool_ids)))
        return Scores.from_probabilities(passes, "bald")

    selection = storeless.select_by_scoring(
        campaign, score, budget=5, strategy=Dowser(max_scored=40), batch=Batch(rule="batch_bald")
    )
    assert len(selection.picks) == 5
    assert all(0 <= pick.predicted_class < 4 for pick in selection.picks)


def test_an_embedding_is_what_the_batch_rule_looks_at(storeless, campaign):
    """Two clusters in the embedding, and scores that favor one of them: BADGE takes of both."""
    proposal = storeless.propose_samples(campaign, budget=4, strategy=Dowser(max_scored=40))
    second = np.arange(40) >= 20
    embedding = np.stack([second * 10.0 + 1, ~second * 10.0 + 1], axis=1)
    probabilities = np.full((40, 2), 0.5)
    scores = Scores(scores=np.where(second, 0.1, 1.0), probabilities=probabilities, embedding=embedding)
    selection = storeless.commit_selection(campaign, proposal, scores, budget=4, batch=Batch(rule="badge"))
    places = {pool_id: place for place, pool_id in enumerate(proposal.pool_ids.tolist())}
    assert {bool(second[places[pool_id]]) for pool_id in selection.pool_ids.tolist()} == {False, True}


def test_a_repeated_proposal_and_commit_return_the_same_answers(storeless, campaign):
    options = {"budget": 5, "strategy": Dowser(max_scored=30), "request_id": uuid.uuid4().hex}
    first, second = (storeless.propose_samples(campaign, **options) for _ in range(2))
    assert first.pool_ids.tolist() == second.pool_ids.tolist()
    assert first.total_seconds == second.total_seconds
    assert storeless.list_leases(campaign).tolist() == sorted(first.pool_ids.tolist())

    commit_id = uuid.uuid4().hex
    picked = [
        storeless.commit_selection(
            campaign, first, some_scores(first.pool_ids), budget=5, request_id=commit_id
        )
        for _ in range(2)
    ]
    assert picked[0].pool_ids.tolist() == picked[1].pool_ids.tolist() == sorted(first.pool_ids.tolist())[:5]
    assert picked[0].round == picked[1].round == storeless.get_campaign(campaign).rounds == 1
    assert storeless.list_leases(campaign).tolist() == sorted(picked[0].pool_ids.tolist())
    with pytest.raises(ConflictError) as refused:
        storeless.commit_selection(
            campaign, first, some_scores(first.pool_ids), budget=4, request_id=commit_id
        )
    assert refused.value.reason == "REQUEST_ID_REUSED"


def test_callers_at_the_same_time_never_score_the_same_candidates(storeless, campaign):
    proposed: list[int] = []
    picked: list[int] = []
    failures: list[BaseException] = []

    def score(pool_ids):
        proposed.extend(pool_ids.tolist())
        together.wait(timeout=60)  # nobody commits before all have proposed
        return some_scores(pool_ids)

    def select():
        try:
            selection = storeless.select_by_scoring(
                campaign, score, budget=5, strategy=Dowser(max_scored=50), seed=1
            )
            picked.extend(selection.pool_ids.tolist())
        except BaseException as failure:
            failures.append(failure)

    together = threading.Barrier(3)
    threads = [threading.Thread(target=select) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not failures
    assert len(proposed) == len(set(proposed)) == 150
    assert len(picked) == len(set(picked)) == 15
    assert storeless.list_leases(campaign).tolist() == sorted(picked)


def test_what_is_held_is_selected_by_nobody_else(storeless, campaign):
    held = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=1290))
    others = storeless.select_samples(campaign, budget=7, strategy=Random())
    assert not set(others.pool_ids.tolist()) & set(held.pool_ids.tolist())
    with pytest.raises(DowserError) as refused:
        storeless.propose_samples(campaign, budget=1)
    assert refused.value.reason == "BUDGET_EXCEEDS_POOL"


def test_candidates_removed_while_they_were_scored_are_told_and_the_others_given_back(
    digits_bundle, storeless_index, tmp_path
):
    running = start_server(digits_bundle, storeless_index, tmp_path / "state")  # its pool changes
    try:
        with Client.connect(running.target) as client:
            client.create_campaign("shrinking")
            size = client.get_pool().size

            def score(pool_ids):
                client.remove_samples(pool_ids[:3])
                return some_scores(pool_ids)

            with pytest.raises(DowserError, match=f"above the {size - 3} scored candidates") as refused:
                client.select_by_scoring(
                    "shrinking",
                    score,
                    budget=size - 1,
                    strategy=Dowser(max_scored=size, shares={"random": 1}),
                )
            assert refused.value.reason == "BUDGET_EXCEEDS_POOL"
            assert not len(client.list_leases("shrinking"))
    finally:
        assert stop_server(running) == 0


def test_a_released_proposal_cannot_be_committed(storeless, campaign):
    held = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=20))
    assert storeless.release_samples(campaign, storeless.list_leases(campaign)) == 20
    # Another proposal holds the very same candidates now; they are not the first one's to take.
    again = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=20))
    assert set(again.pool_ids.tolist()) == set(held.pool_ids.tolist())
    with pytest.raises(InvalidArgumentError, match="propose again"):
        storeless.commit_selection(campaign, held, some_scores(held.pool_ids), budget=5)
    assert storeless.list_leases(campaign).tolist() == sorted(again.pool_ids.tolist())


def test_candidates_labeled_in_the_meantime_are_not_picked(storeless, campaign):
    held = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=20))
    best = sorted(held.pool_ids.tolist())
    storeless.record_labels(campaign, dict.fromkeys(best[:3], 1))
    selection = storeless.commit_selection(
        campaign, held, some_scores(held.pool_ids), budget=5, batch=Batch(rule="top")
    )
    assert selection.pool_ids.tolist() == best[3:8]
    assert storeless.get_campaign(campaign).leased == 5


def test_what_was_not_scored_is_not_picked_and_goes_back(storeless, campaign):
    held = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=20))
    part = held.pool_ids[::2][::-1]
    selection = storeless.commit_selection(
        campaign, held.proposal_id, some_scores(part), pool_ids=part, budget=5
    )
    assert selection.scored == 10
    assert set(selection.pool_ids.tolist()) <= set(part.tolist())
    assert storeless.list_leases(campaign).tolist() == sorted(selection.pool_ids.tolist())


def test_sources_that_look_at_scores_leave_their_part_to_random_draws(storeless, campaign):
    shares = {"climb": 2, "surrogate": 1, "synthesis": 1}
    proposal = storeless.propose_samples(campaign, budget=5, strategy=Dowser(max_scored=40, shares=shares))
    assert {each.source for each in proposal.candidates} == {"random"}
    assert proposal.shares == {"random": 1.0}
    assert [reason.split()[0] for reason in proposal.reasons] == ["climb", "surrogate", "synthesis"]


def test_candidates_of_synthesis_say_what_led_to_them(storeless, campaign, remote_classifier):
    strategy = Dowser(max_scored=30, shares={"synthesis": 1}, latents=6, steps=10)
    proposal = storeless.propose_samples(campaign, budget=5, classifier=remote_classifier, strategy=strategy)
    assert {each.source for each in proposal.candidates} == {"synthesis"}
    assert {each.synthetic_index for each in proposal.candidates} == set(range(6))
    assert min(each.distance for each in proposal.candidates) > 0
    assert proposal.synthetic_scores.shape == (6,)
    selection = storeless.commit_selection(campaign, proposal, some_scores(proposal.pool_ids), budget=5)
    for pick in selection.picks:
        assert pick.synthetic_score == pytest.approx(proposal.synthetic_scores[pick.synthetic_index])


def test_plain_asal_picks_without_a_score(storeless, campaign, remote_classifier, digits):
    for _ in range(2):
        selection = storeless.select_samples(
            campaign, classifier=remote_classifier, budget=8, strategy=Dowser(max_scored=0, steps=10)
        )
        assert len(selection.picks) == 8
        assert {(pick.source, pick.score, pick.predicted_class) for pick in selection.picks} == {
            ("synthesis", None, None)
        }
        assert selection.scored == 0
        assert selection.match_gap is None
        assert all(pick.synthetic_score is not None for pick in selection.picks)
        (report,) = selection.diagnosis.sources
        # Nothing was predicted, so that labels contradict nothing.
        assert (report.picked, report.scored, report.mean_score, report.labeled) == (8, 0, None, 0)
        storeless.record_labels(
            campaign, {int(i): int(digits.pool_labels[int(i)]) for i in selection.pool_ids.tolist()}
        )


def test_candidates_go_back_when_scoring_fails(storeless, campaign):
    def broken(pool_ids):
        raise RuntimeError("the disk is away")

    with pytest.raises(RuntimeError, match="away"):
        storeless.select_by_scoring(campaign, broken, budget=5, strategy=Dowser(max_scored=20))
    with pytest.raises(InvalidArgumentError):
        storeless.select_by_scoring(
            campaign, lambda ids: some_scores(ids, classes=1), budget=5, strategy=Dowser(max_scored=20)
        )
    assert storeless.get_campaign(campaign).leased == 0


def test_the_asyncio_client_scores_with_a_function_or_a_coroutine(storeless, campaign):
    async def later(pool_ids):
        await asyncio.sleep(0)
        return some_scores(pool_ids)

    async def run():
        async with AsyncClient.connect(storeless._settings.target) as client:
            return [
                await client.select_by_scoring(campaign, score, budget=5, strategy=Dowser(max_scored=20))
                for score in (some_scores, later)
            ]

    first, second = asyncio.run(run())
    assert (first.round, second.round) == (1, 2)
    assert storeless.get_campaign(campaign).leased == 10


def test_a_pool_with_its_samples_can_be_scored_by_the_caller_too(client):
    campaign = client.create_campaign(f"own-{uuid.uuid4().hex}")
    selection = client.select_by_scoring(campaign, some_scores, budget=5, strategy=Dowser(max_scored=50))
    assert len(selection.picks) == 5
    assert selection.scored == 50


def test_a_proposal_outlives_the_server(digits_bundle, storeless_index, tmp_path):
    def start():
        return start_server(digits_bundle, storeless_index, tmp_path / "state")

    running = start()
    with Client.connect(running.target) as client:
        client.create_campaign("long")
        held = client.propose_samples("long", budget=5, strategy=Dowser(max_scored=20))
        running.process.kill()
        running.process.wait(timeout=60)
    running = start()
    try:
        with Client.connect(running.target) as client:
            assert client.list_leases("long").tolist() == sorted(held.pool_ids.tolist())
            selection = client.commit_selection("long", held, some_scores(held.pool_ids), budget=5)
            assert client.list_leases("long").tolist() == sorted(selection.pool_ids.tolist())
    finally:
        assert stop_server(running) == 0


@pytest.mark.parametrize("rule", list(BatchRule))
def test_no_finite_score_is_too_much_for_a_rule(storeless, campaign, rule):
    def score(pool_ids):
        rng = np.random.default_rng(1)
        extremes = np.array([-3e38, -1.0, 0.0, 1e-38, 1.0, 3e38])
        certain = np.eye(3, dtype=np.float32)[rng.integers(0, 3, (2, len(pool_ids)))]
        embedding = rng.choice([-1e30, 0.0, 1e30], (len(pool_ids), 4))
        return Scores(scores=rng.choice(extremes, len(pool_ids)), probabilities=certain, embedding=embedding)

    batch = Batch(rule=rule, duplicate_distance=0.1)
    selection = storeless.select_by_scoring(
        campaign, score, budget=8, strategy=Dowser(max_scored=60), batch=batch, class_prior_weight=1.0
    )
    assert len(set(selection.pool_ids.tolist())) == 8
