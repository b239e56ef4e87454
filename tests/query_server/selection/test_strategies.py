"""A round's search: bounded, without repetition, and nothing of the budget is lost."""

import numpy as np
import pytest

from query_server.selection import strategies
from query_server.selection.board import NUMBER_OF
from query_server.selection.memory import Memory
from query_server.selection.policy import fixed
from query_server.selection.sources import PROPOSAL_SOURCES
from query_server.selection.values import Source

RANDOM = NUMBER_OF[Source.RANDOM]
LABELS = {row: row % 3 for row in range(30)}


def scored_rows(round_):
    """Rows in the order of scoring, as the classifier saw them."""
    rows = round_.board.entries().rows
    np.testing.assert_array_equal(np.concatenate(round_.classifier.seen), round_.pool.all[rows])
    return rows.tolist()


@pytest.mark.parametrize("seed", range(8))
def test_a_search_scores_what_it_may_and_no_row_twice(make_round, seed):
    rng = np.random.default_rng(seed)
    sources = list(PROPOSAL_SOURCES)
    chosen = rng.permutation(len(sources))[: rng.integers(1, len(sources) + 1)]
    shares = {sources[each]: float(rng.random() + 0.01) for each in chosen}
    max_scored = int(rng.integers(10, 700))
    round_ = make_round(
        labels=LABELS,
        classes=3,
        memory=Memory(carried_ids=np.arange(1050, 1080, dtype=np.uint64)),
        seed=seed,
    )
    strategies.search(round_, fixed(shares), max_scored)
    rows = scored_rows(round_)
    assert len(rows) == len(set(rows)) == round_.board.scored == min(max_scored, 570)
    assert not set(rows) & set(LABELS)


def test_what_a_source_leaves_over_is_drawn_at_random(make_round):
    carried = Memory(carried_ids=np.array([1050, 1051], np.uint64))
    round_ = make_round(memory=carried)
    strategies.search(round_, fixed({Source.CARRY_OVER: 1.0}), 100)
    entries = round_.board.entries()
    assert entries.rows[:2].tolist() == [50, 51]
    assert np.count_nonzero(entries.sources == RANDOM) == 98


def test_nothing_left_to_propose_ends_the_search(make_round):
    round_ = make_round(closed=range(20, 600))
    strategies.search(round_, fixed(dict.fromkeys(PROPOSAL_SOURCES, 1.0)), 500)
    assert sorted(scored_rows(round_)) == list(range(20))


def test_an_exhaustive_search_scores_all_that_is_open_and_keeps_the_best(make_round):
    round_ = make_round(labels=LABELS, classes=3, budget=2)
    strategies.exhaustive(round_)
    assert sum(map(len, round_.classifier.seen)) == round_.board.scored == 570
    entries = round_.board.entries()
    expected = np.sort(round_.classifier.scores(round_.pool.all[30:]))[::-1]
    np.testing.assert_array_equal(np.sort(entries.scores)[::-1][:200], expected[:200])
    assert len(entries) < 570  # the rest was let go


def test_plain_matching_follows_the_synthetic_scores(make_round):
    round_ = make_round(budget=12)
    strategies.plain(round_)
    entries = round_.board.entries()
    assert len(entries) == 12
    order = round_.synthetic.scores[entries.synthetic]
    assert (np.diff(order) <= 0).all()
    assert len(set(entries.synthetic.tolist())) == 12


def test_a_random_subset_scores_as_many_as_asked(make_round):
    round_ = make_round()
    strategies.random_subset(round_, 77)
    assert len(set(scored_rows(round_))) == 77
