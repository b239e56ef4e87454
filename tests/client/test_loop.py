"""The active-learning loop against the real server, labeling real digits."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from client import (
    ActiveLearner,
    Batch,
    Client,
    Dowser,
    InvalidArgumentError,
    Random,
    RandomSubset,
    RoundReport,
)


@pytest.fixture(scope="module")
def connected(server):
    with Client.connect(server.target, timeout_seconds=60) as client:
        yield client


@pytest.fixture
def make_learner(connected: Client, digits, classifier_bytes: bytes):
    """Make learners whose classifier is always the same upload: the loop is what is tested here."""
    name = f"loop-{uuid.uuid4().hex}"

    def make(**changes) -> ActiveLearner:
        arguments = {
            "campaign": name,
            "train": lambda ids, labels: classifier_bytes,
            "oracle": lambda ids: digits.pool_labels[ids.astype(np.int64)],
            "budget": 8,
            "strategy": RandomSubset(max_scored=100),
            "max_labels": 30,
        }
        learner = ActiveLearner(connected, **(arguments | changes))
        return learner

    yield make
    connected.delete_campaign(name)


def test_the_loop_labels_until_it_has_enough(make_learner, digits, classifier_bytes: bytes) -> None:
    trained_on = []

    def train(ids, labels):
        np.testing.assert_array_equal(labels, digits.pool_labels[ids.astype(np.int64)])
        trained_on.append(len(ids))
        return classifier_bytes

    learner = make_learner(train=train)
    assert learner.seed_labels(np.arange(10, dtype=np.uint64), digits.pool_labels[:10]) == 10
    reports = learner.run()
    assert [report.labeled for report in reports] == [18, 26, 30]
    assert [report.trained_on for report in reports] == trained_on == [10, 18, 26]
    assert [len(report.labels) for report in reports] == [8, 8, 4]
    assert all(report.classifier_info is not None for report in reports)
    assert all(report.seconds.select > 0 and report.seconds.upload > 0 for report in reports)


def test_a_stopped_loop_goes_on_where_it_stopped(make_learner) -> None:
    for report in make_learner():
        assert report.labeled == 8
        break
    reports = make_learner().run()
    assert [report.trained_on for report in reports] == [8, 16, 24]


def test_seeding_again_changes_nothing(make_learner, digits) -> None:
    ids, labels = np.arange(10, dtype=np.uint64), digits.pool_labels[:10]
    assert make_learner().seed_labels(ids, labels) == 10
    assert make_learner().seed_labels(ids, labels) == 0


def test_the_stop_rule_sees_every_round(make_learner) -> None:
    seen: list[RoundReport] = []

    def stop(report: RoundReport) -> bool:
        seen.append(report)
        return report.round == 2

    noticed: list[int] = []
    reports = make_learner(stop=stop, on_round=lambda report: noticed.append(report.round)).run()
    assert seen == reports
    assert noticed == [1, 2]


def test_samples_go_back_when_the_oracle_fails(make_learner, connected: Client) -> None:
    def oracle(ids):
        raise RuntimeError("the annotator went home")

    learner = make_learner(oracle=oracle)
    with pytest.raises(RuntimeError, match="went home"):
        learner.run()
    assert connected.get_campaign(learner.campaign).leased == 0


def test_an_oracle_that_forgets_one_is_an_error(make_learner) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\[8\]"):
        make_learner(oracle=lambda ids: np.zeros(len(ids) - 1, dtype=np.int64)).run()


def test_random_selection_uploads_nothing(make_learner) -> None:
    (report,) = make_learner(strategy=Random(), max_labels=8, train=lambda ids, labels: "mine").run()
    assert report.classifier == "mine"
    assert report.classifier_info is None


def test_the_same_seed_selects_the_same_samples(make_learner, connected: Client) -> None:
    picked = []
    for name in ("a", "b"):
        campaign = connected.create_campaign(f"loop-{name}-{uuid.uuid4().hex}", seed=ord(name))
        learner = make_learner(campaign=campaign, seed=5, max_labels=16)
        picked.append([report.selection.pool_ids.tolist() for report in learner])
        connected.delete_campaign(campaign)
    make_learner()  # the campaign that the fixture deletes
    assert picked[0] == picked[1]


def test_torch_modules_are_exported_on_the_way(make_learner, digits_classifier) -> None:
    learner = make_learner(
        train=lambda ids, labels: digits_classifier, strategy=Dowser(max_scored=50, steps=5), max_labels=16
    )
    reports = learner.run()
    assert [report.labeled for report in reports] == [8, 16]
    assert reports[1].classifier_info == reports[0].classifier_info
    assert reports[0].classifier_info.has_pullback


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"batch": Batch(coldness=1000)}, "batch.coldness"), ({"class_prior_weight": 11}, "class_prior_weight")],
)
def test_how_a_batch_is_made_goes_with_every_selection(make_learner, changes, field) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        make_learner(**changes).run()
    assert refused.value.metadata["field"] == field


def test_a_budget_of_nothing_is_refused(make_learner) -> None:
    make_learner()
    with pytest.raises(InvalidArgumentError, match="at least 1"):
        make_learner(budget=0)
