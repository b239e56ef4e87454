"""Every proposal source alone: what it may propose, and what it is for."""

from dataclasses import replace

import numpy as np
import pytest

from query_server.selection import strategies
from query_server.selection.board import NUMBER_OF
from query_server.selection.memory import Memory
from query_server.selection.outcome import remember
from query_server.selection.policy import fixed
from query_server.selection.sources import PROPOSAL_SOURCES
from query_server.selection.sources.class_anchors import spread_out
from query_server.selection.values import Source

FIRST_ID = 1000
LABELS = {row: row % 3 for row in range(30)}
MEMORY = Memory(
    carried_ids=np.array([3, 99_999, 50, 41, 42, *range(200, 400)], np.uint64) + np.uint64(FIRST_ID),
    latents=np.ones((4, 2), np.float32),
)


@pytest.fixture
def round_of(make_round):
    """A round with labels, leases and memory, so that every source has something to propose."""
    return lambda **changes: make_round(
        **({"labels": LABELS, "classes": 3, "closed": range(40, 45), "memory": MEMORY} | changes)
    )


def everything(round_, source, count, *, step=None):
    """Ask a source until it has ``count`` rows or no more, scoring what it proposes."""
    proposer = PROPOSAL_SOURCES[source]()
    left = count
    while left > 0:
        asked = min(left, step or proposer.step or left)
        proposal = proposer.propose(round_, asked)
        assert len(proposal.rows) <= asked
        if not len(proposal.rows):
            break
        assert round_.open[proposal.rows].all()
        assert len(set(proposal.rows.tolist())) == len(proposal.rows)
        round_.score(source, proposal)
        left -= len(proposal.rows)
    return round_.board.entries().rows if round_.board.scored else np.empty(0, np.int64)


@pytest.mark.parametrize("count", [1, 7, 150])
@pytest.mark.parametrize("source", PROPOSAL_SOURCES)
def test_a_source_proposes_open_rows_once_and_no_more_than_asked(round_of, source, count):
    round_ = round_of()
    open_before = round_.open.copy()
    rows = everything(round_, source, count)
    assert 0 < len(rows) <= count
    assert len(set(rows.tolist())) == len(rows)
    assert open_before[rows].all()


@pytest.mark.parametrize("source", PROPOSAL_SOURCES)
def test_a_source_asked_in_parts_repeats_nothing(round_of, source):
    rows = everything(round_of(), source, 60, step=9)
    assert len(set(rows.tolist())) == len(rows) >= 9


@pytest.mark.parametrize("source", PROPOSAL_SOURCES)
def test_a_source_is_deterministic_given_the_seed(round_of, source):
    once, again = (everything(round_of(seed=5), source, 80).tolist() for _ in range(2))
    assert once == again


@pytest.mark.parametrize("source", [Source.RANDOM, Source.SYNTHESIS, Source.CLIMB, Source.LABELED_NEIGHBORS])
def test_another_seed_gives_other_proposals(round_of, source):
    many = {row: row % 2 for row in range(300)}  # more labels than are asked around
    one, other = (everything(round_of(seed=seed, labels=many), source, 80).tolist() for seed in (5, 6))
    assert one != other


@pytest.mark.parametrize("source", PROPOSAL_SOURCES)
def test_a_source_ends_with_the_pool(round_of, source):
    round_ = round_of(closed=range(30, 590))
    rows = everything(round_, source, 600)
    assert set(rows.tolist()) <= set(range(590, 600))


@pytest.mark.parametrize("source", PROPOSAL_SOURCES)
def test_a_first_round_without_labels_or_memory_is_no_error(make_round, source):
    rows = everything(make_round(), source, 40)
    waits = source in (Source.CARRY_OVER, Source.LABELED_NEIGHBORS, Source.CLASS_ANCHORS, Source.SEALS)
    assert len(rows) == (0 if waits else 40)


def test_random_draws_do_not_hang_on_which_other_sources_are_asked(round_of):
    drawn = []
    for others in ((), (Source.SYNTHESIS, Source.LABELED_NEIGHBORS), (Source.CARRY_OVER, Source.CLIMB)):
        round_ = round_of()
        strategies.search(round_, fixed({Source.RANDOM: 0.5, **dict.fromkeys(others, 0.1)}), 120)
        entries = round_.board.entries()
        drawn.append(entries.rows[entries.sources == NUMBER_OF[Source.RANDOM]][:50].tolist())
    assert drawn[0] == drawn[1] == drawn[2]


def test_random_draws_are_uniform(make_round):
    counts = np.zeros(600)
    for seed in range(400):
        counts[everything(make_round(seed=seed, closed=range(100)), Source.RANDOM, 50)] += 1
    assert not counts[:100].any()
    expected = 400 * 50 / 500
    chi_square = np.square(counts[100:] - expected).sum() / expected
    assert chi_square == pytest.approx(500, abs=5 * np.sqrt(2 * 500))


def two_ends(exact_pool):
    """Two far groups of 200: class 0 lives at 0, class 1 at 100."""
    rng = np.random.default_rng(0)
    ends = np.repeat([0, 100], 200)
    return exact_pool((ends[:, None] + rng.random((400, 2))).astype(np.float32))


def test_neighbors_of_labels_look_for_a_rare_class_first(make_round, exact_pool):
    labels = {**dict.fromkeys(range(40), 0), 200: 1, 201: 1}
    rows = everything(make_round(pool=two_ends(exact_pool), labels=labels), Source.LABELED_NEIGHBORS, 63)
    # In inverse proportion to 40 and 2 labels: 3 of 63 for the common class.
    assert np.count_nonzero(rows < 200) == pytest.approx(3, abs=1)
    assert np.count_nonzero(rows >= 200) == pytest.approx(60, abs=1)


def test_neighbors_of_labels_are_the_nearest(make_round, exact_pool):
    line = exact_pool(np.arange(50, dtype=np.float32)[:, None])
    rows = everything(
        make_round(pool=line, labels={10: 0, 30: 0}, classifier=None), Source.LABELED_NEIGHBORS, 4
    )
    assert sorted(rows.tolist()) == [9, 11, 29, 31]


def test_class_anchors_give_every_class_the_same_part(make_round, exact_pool):
    labels = {**dict.fromkeys(range(40), 0), 200: 1, 201: 1}
    rows = everything(make_round(pool=two_ends(exact_pool), labels=labels), Source.CLASS_ANCHORS, 61)
    assert [np.count_nonzero(rows < 200), np.count_nonzero(rows >= 200)] == [
        30,
        31,
    ]  # the odd one to the rare


def test_anchors_lie_apart():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10) * 100, 50)[:, None] + rng.random((500, 2))
    anchors = spread_out(groups.astype(np.float32), 10, rng)
    assert len(set((groups[anchors, 0] // 100).tolist())) == 10
    assert spread_out(groups[:3].astype(np.float32), 10, rng).tolist() == [0, 1, 2]
    same = spread_out(np.ones((50, 2), np.float32), 10, rng)
    assert 1 <= len(same) <= 10


def test_carry_over_brings_what_is_still_open_best_first_and_by_pool_id(round_of):
    # Of the ids remembered, row 3 is labeled, 41 and 42 are leased, and one is no longer in the pool.
    rows = everything(round_of(), Source.CARRY_OVER, 5)
    assert rows.tolist() == [50, 200, 201, 202, 203]


def test_synthesis_is_made_once_and_leads_to_its_nearest(round_of):
    round_ = round_of()
    rows = everything(round_, Source.SYNTHESIS, 40, step=20)
    assert len(rows) == 40
    entries = round_.board.entries()
    made = round_.synthetic
    assert len(round_.classifier.seen) == 2  # the two parts that were scored, and no second synthesis
    expected = np.linalg.norm(made.features[entries.synthetic] - round_.pool.all[rows], axis=1)
    np.testing.assert_allclose(entries.distances, expected, rtol=1e-5)
    assert 0 < round_.unique_match_rate <= 1


def test_synthesis_starts_where_the_last_round_ended_where_asked(round_of):
    warm, cold = round_of(), round_of()
    far = np.full((10, 2), 40, np.float32)
    for round_, share in ((warm, 1.0), (cold, 0.0)):
        round_.memory = replace(round_.memory, latents=far)
        round_.synthesis = replace(round_.synthesis, warm_start=share, steps=1)
        everything(round_, Source.SYNTHESIS, 5)
    assert (warm.synthetic.latents > 30).all()
    assert (cold.synthetic.latents < 30).all()


def test_the_best_latents_are_remembered_first(round_of):
    round_ = round_of()
    everything(round_, Source.SYNTHESIS, 5)
    made, entries = round_.synthetic, round_.board.entries()
    picked = entries.take(np.arange(2))
    kept = remember(round_, entries, picked, round_.pool.ids_of(picked.rows)).latents
    assert len(np.unique(made.scores)) > 1
    np.testing.assert_array_equal(kept, made.latents[np.argsort(-made.scores, kind="stable")])


def test_a_climb_reaches_the_top_that_random_draws_miss(make_round, exact_pool, peak):
    line = exact_pool(np.linspace(0, 100, 2000, dtype=np.float32)[:, None])
    hill = peak([73.0], 5.0)
    scores = hill.scores(line.all)
    best = set(np.argsort(-scores)[:20].tolist())
    climbed = everything(make_round(pool=line, classifier=hill), Source.CLIMB, 400)
    drawn = everything(make_round(pool=line, classifier=hill), Source.RANDOM, 400)
    assert best <= set(climbed.tolist())
    assert len(best & set(drawn.tolist())) < 10


def test_a_climb_starts_from_what_others_have_scored(make_round, exact_pool, peak):
    line = exact_pool(np.linspace(0, 100, 5000, dtype=np.float32)[:, None])
    round_ = make_round(pool=line, classifier=peak([73.0], 5.0))
    strategies.search(round_, fixed({Source.RANDOM: 0.25, Source.CLIMB: 0.75}), 400)
    entries = round_.board.entries()
    climbed = entries.rows[entries.sources == NUMBER_OF[Source.CLIMB]]
    assert np.count_nonzero(entries.sources == NUMBER_OF[Source.RANDOM]) == 100
    assert set(np.argsort(-round_.classifier.scores(line.all))[:20].tolist()) <= set(entries.rows.tolist())
    assert abs(np.median(line.all[climbed, 0]) - 73) < 5
