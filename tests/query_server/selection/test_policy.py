"""The shares of the sources: fixed ones add up, learned ones follow the evidence and say why."""

import numpy as np
import pytest

from query_server.selection.board import NUMBER_OF, SOURCES
from query_server.selection.memory import Memory
from query_server.selection.policy import Allocation, adaptive, fixed
from query_server.selection.values import Source

ROUND = 3
LABELS = {0: 0, 1: 1, 2: 0, 3: 1}


RARE = dict.fromkeys(range(20), 0) | {20: 1} | dict.fromkeys(range(21, 41), 2)


def evidence(**yields):
    """A memory in which many picks of every source have labels, and a random one was worth a half on average."""
    picks = np.full(len(SOURCES), 1e4)
    worth = np.full(len(SOURCES), 5e3)
    for name, value in yields.items():
        worth[NUMBER_OF[Source(name)]] = value * 5e3
    return Memory(settled=picks, labeled=picks, worth=worth)


def shares(memory, labeled, *, random_floor=0.3, round_number=ROUND):
    return adaptive(memory, labeled, random_floor=random_floor, round_number=round_number)


def test_counts_add_up_to_what_may_be_scored():
    rng = np.random.default_rng(0)
    sources = [source for source in SOURCES if source is not Source.EXHAUSTIVE]
    for _ in range(300):
        some = rng.permutation(sources)[: rng.integers(1, len(sources) + 1)]
        wanted = dict(zip(some, rng.random(len(some)) ** 3 + 1e-9, strict=True))
        scored = int(rng.integers(1, 3000))
        allocation = fixed(wanted)
        counts = allocation.counts(scored)
        assert sum(allocation.shares.values()) == pytest.approx(1)
        assert sum(counts.values()) == scored
        for source, share in allocation.shares.items():
            assert abs(counts[source] - share * scored) < 1


def test_what_rounding_leaves_goes_to_the_largest_remainder():
    thirds = Allocation(shares={Source.RANDOM: 0.5, Source.CLIMB: 0.3, Source.SYNTHESIS: 0.2})
    assert thirds.counts(7) == {Source.RANDOM: 4, Source.CLIMB: 2, Source.SYNTHESIS: 1}


def test_a_fixed_share_of_nothing_asks_for_nothing():
    assert fixed({Source.RANDOM: 2.0, Source.CLIMB: 0.0}).shares == {Source.RANDOM: 1.0}


@pytest.mark.parametrize("floor", [0.0, 0.25, 0.9, 1.0])
@pytest.mark.parametrize(
    "memory",
    [
        Memory(),
        evidence(),
        evidence(synthesis=9, labeled_neighbors=9),
        evidence(synthesis=0, labeled_neighbors=0),
    ],
)
def test_random_draws_never_get_less_than_their_floor(labels_of, floor, memory):
    for labels in ({}, LABELS):
        given = shares(memory, labels_of(labels), random_floor=floor).shares
        assert given[Source.RANDOM] >= floor - 1e-9
        assert sum(given.values()) == pytest.approx(1)
        assert min(given.values()) >= 0
        assert sum(Allocation(shares=given).counts(1000).values()) == 1000


@pytest.mark.parametrize("source", [Source.SYNTHESIS, Source.LABELED_NEIGHBORS])
def test_a_source_worth_nothing_falls_to_a_trickle_and_one_worth_more_gets_more(labels_of, source):
    labeled = labels_of(LABELS)
    useless, level, useful = (
        shares(evidence(**{source: worth}), labeled).shares.get(source, 0.0) for worth in (0.0, 1.05, 2.0)
    )
    assert useless <= level < useful
    assert useless < 0.05
    assert useful > 4 * useless


def test_before_there_is_evidence_neighbors_get_a_part_where_classes_are_rare(labels_of):
    balanced = shares(Memory(), labels_of(LABELS)).shares
    rare = shares(Memory(), labels_of(RARE, classes=3)).shares
    assert balanced[Source.LABELED_NEIGHBORS] < 0.05
    assert rare[Source.LABELED_NEIGHBORS] > 0.4


def test_synthesis_is_on_trial_until_some_of_its_picks_have_labels(labels_of):
    first = shares(Memory(), labels_of(LABELS))
    assert 0.02 < first.shares[Source.SYNTHESIS] < 0.2
    assert any("trial" in line for line in first.reasons)


def test_what_a_useless_source_loses_random_draws_get(labels_of):
    given = shares(evidence(synthesis=0, labeled_neighbors=0), labels_of(LABELS)).shares
    assert given[Source.RANDOM] > 0.85


def test_a_useless_synthesis_is_tried_again_now_and_then(labels_of):
    tried = [
        shares(evidence(synthesis=0), labels_of(LABELS), round_number=each).shares.get(Source.SYNTHESIS, 0)
        for each in range(1, 21)
    ]
    assert 0 < np.count_nonzero(tried) < 20


def test_without_labels_there_are_random_draws_alone(labels_of):
    given = shares(Memory(), labels_of({}))
    assert given.shares == {Source.RANDOM: 1.0}
    assert "no labels yet" in given.reasons[0]


def test_the_same_evidence_gives_the_same_shares_and_reasons(labels_of):
    memory = evidence(synthesis=1.7, labeled_neighbors=0.4)
    assert shares(memory, labels_of(LABELS)) == shares(memory, labels_of(LABELS))


def test_the_reasons_name_the_sources_their_yields_and_the_rare_classes(labels_of):
    told = shares(evidence(synthesis=2.0, labeled_neighbors=0.25), labels_of(RARE, classes=3)).reasons
    synthesis, neighbors = (
        next(line for line in told if name in line) for name in ("synthesis", "neighbors")
    )
    assert "1.99 random ones" in synthesis or "2.00 random ones" in synthesis
    assert "0.25" in neighbors
    assert "the fewest have 1 (1)" in told[0]
