"""What a source was worth, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from query_server.selection.board import NUMBER_OF, SOURCES, not_scored
from query_server.selection.evidence import remember_picks, settle, yields
from query_server.selection.memory import Memory
from query_server.selection.values import Source

SYNTHESIS, RANDOM = NUMBER_OF[Source.SYNTHESIS], NUMBER_OF[Source.RANDOM]
FIRST_ID = 1000


def by_source(**counts):
    values = np.zeros(len(SOURCES))
    for name, count in counts.items():
        values[NUMBER_OF[Source(name)]] = count
    return values


def pending(rows, sources, predicted):
    return Memory(
        pending_ids=np.array(rows, np.uint64) + np.uint64(FIRST_ID),
        pending_sources=np.array(sources),
        pending_predicted=np.array(predicted),
    )


def test_rarity_is_the_mean_count_over_the_classs_own(labels_of):
    labeled = labels_of({0: 0, 1: 0, 2: 0, 3: 1}, classes=2)
    assert labeled.counts().tolist() == [3, 1]
    # One is added to both sides, so that a class without labels has a finite rarity.
    np.testing.assert_allclose(labeled.rarity(), [(2 + 1) / (3 + 1), (2 + 1) / (1 + 1)])
    balanced = labels_of({0: 0, 1: 1, 2: 2}, classes=3)
    np.testing.assert_allclose(balanced.rarity(), 1)


def test_labels_outside_the_classes_are_not_counted(labels_of):
    assert labels_of({0: 0, 1: 7, 2: 1}, classes=2).counts().tolist() == [1, 1]


def test_labels_settle_what_is_pending_by_rarity_and_contradiction(labels_of):
    # Labels 3 of class 0 and 1 of class 1: rarity 0.75 and 1.5.
    labeled = labels_of({10: 0, 11: 0, 12: 1, 13: 0}, classes=2)
    memory = pending([10, 11, 12], [RANDOM, SYNTHESIS, SYNTHESIS], [0, 1, 0])
    settled = settle(memory, labeled)
    assert len(settled.pending_ids) == 0
    assert settled.labeled[[RANDOM, SYNTHESIS]].tolist() == [1, 2]
    assert settled.contradicted[[RANDOM, SYNTHESIS]].tolist() == [0, 2]
    np.testing.assert_allclose(settled.rarity[[RANDOM, SYNTHESIS]], [0.75, 0.75 + 1.5])
    assert settled.settled[[RANDOM, SYNTHESIS]].tolist() == [1, 2]
    # Wrong predictions count in full, a right one in part.
    assert settled.worth[SYNTHESIS] == pytest.approx(0.75 + 1.5)
    assert 0 < settled.worth[RANDOM] < 0.75


def test_picks_without_labels_stay_pending(labels_of):
    memory = pending([10, 11, 12], [RANDOM, SYNTHESIS, RANDOM], [0, 1, 1])
    settled = settle(memory, labels_of({11: 1}))
    assert settled.pending_ids.tolist() == [FIRST_ID + 10, FIRST_ID + 12]
    assert settled.pending_sources.tolist() == [RANDOM, RANDOM]
    assert settled.pending_predicted.tolist() == [0, 1]
    assert settled.labeled.sum() == 1
    last = settle(settled, labels_of({11: 1, 12: 0}))
    assert last.pending_ids.tolist() == [FIRST_ID + 10]
    assert (last.labeled[SYNTHESIS], last.labeled[RANDOM]) == (1, 1)


@pytest.mark.parametrize("labels", [{}, {1: 0, 2: 1}])
def test_other_labels_settle_nothing(labels_of, labels):
    memory = pending([10], [RANDOM], [0])
    settled = settle(memory, labels_of(labels))
    assert settled.pending_ids.tolist() == memory.pending_ids.tolist()
    assert not settled.labeled.any()


def test_a_label_that_is_no_class_of_the_classifier_contradicts_it(labels_of):
    settled = settle(pending([10], [RANDOM], [1]), labels_of({10: 9, 11: 0}))
    assert settled.contradicted[RANDOM] == 1
    assert settled.rarity[RANDOM] == 1


def test_picks_are_remembered_as_pending():
    picked = replace(not_scored(Source.SYNTHESIS, np.array([4, 6])), predicted=np.array([1, 0]))
    before = pending([9], [RANDOM], [0])
    after = remember_picks(before, picked, np.array([1004, 1006], np.uint64))
    assert after.pending_ids.tolist() == [FIRST_ID + 9, 1004, 1006]
    assert after.pending_sources.tolist() == [RANDOM, SYNTHESIS, SYNTHESIS]
    assert after.pending_predicted.tolist() == [0, 1, 0]


def test_picks_that_no_classifier_has_seen_are_no_evidence():
    picked = not_scored(Source.SYNTHESIS, np.array([4, 6]))
    after = remember_picks(pending([9], [RANDOM], [0]), picked, np.array([1004, 1006], np.uint64))
    assert after.pending_ids.tolist() == [FIRST_ID + 9]


def test_a_sample_picked_again_is_evidence_for_its_last_pick_alone(labels_of):
    picked = replace(not_scored(Source.SYNTHESIS, np.array([10])), predicted=np.array([1]))
    memory = remember_picks(
        pending([10, 11], [RANDOM, RANDOM], [0, 0]), picked, np.array([FIRST_ID + 10], np.uint64)
    )
    settled = settle(memory, labels_of({10: 1}))
    assert (settled.labeled[SYNTHESIS], settled.labeled[RANDOM]) == (1, 0)
    assert settled.pending_ids.tolist() == [FIRST_ID + 11]


PRIORS = {Source.SYNTHESIS: 1.0, Source.LABELED_NEIGHBORS: 1.4, Source.RANDOM: 1.0}


@pytest.mark.parametrize(
    "memory",
    [
        Memory(),
        Memory(settled=by_source(synthesis=90), worth=by_source(synthesis=40)),  # nothing to compare with
        Memory(settled=by_source(random=90)),  # nothing of worth found by chance
    ],
)
def test_without_evidence_every_source_is_worth_what_it_is_thought_to_be(memory):
    assert yields(memory, PRIORS) == PRIORS


def test_a_yield_is_relative_to_random_picks_and_leans_to_the_prior_where_few_were_labeled():
    memory = Memory(
        settled=by_source(random=1e6, synthesis=1e6, labeled_neighbors=4),
        worth=by_source(random=5e5, synthesis=15e5, labeled_neighbors=0),
    )
    worth = yields(memory, PRIORS)
    assert worth[Source.RANDOM] == pytest.approx(1, rel=0.01)
    assert worth[Source.SYNTHESIS] == pytest.approx(3, rel=0.01)
    assert 1 < worth[Source.LABELED_NEIGHBORS] < 1.4  # four worthless picks against the opinion of many


def test_older_evidence_counts_less(labels_of):
    labels = {10: 0, 20: 1}
    old = settle(pending([10], [SYNTHESIS], [1]), labels_of(labels))
    later = replace(
        old,
        pending_ids=np.array([FIRST_ID + 20], np.uint64),
        pending_sources=np.array([RANDOM]),
        pending_predicted=np.array([0]),
    )
    now = settle(later, labels_of(labels))
    assert now.worth[SYNTHESIS] < old.worth[SYNTHESIS]
    assert now.worth[RANDOM] > now.worth[SYNTHESIS]
    assert now.settled[SYNTHESIS] < 1 == now.settled[RANDOM]


def test_overdispersion_is_what_chance_does_not_explain(labels_of):
    assert labels_of({}).overdispersion() == 0
    even = labels_of(dict(enumerate([0, 1] * 50)))
    assert even.overdispersion() < 0
    rare = labels_of(dict(enumerate([0] * 98 + [1] * 2)))
    assert rare.overdispersion() > 0.8
    drawn = np.random.default_rng(0).integers(0, 10, (200, 100))
    chance = [labels_of(dict(enumerate(each.tolist())), classes=10).overdispersion() for each in drawn]
    assert abs(np.mean(chance)) < 0.02  # draws from classes of one size: nothing, on average
