"""The board keeps what was scored, who found it first, and the best of it."""

import numpy as np

from query_server.scored import Scored
from query_server.selection.board import NUMBER_OF, Board, Proposal, not_scored
from query_server.selection.values import Source


def scored(scores, predicted, *, passes=None, embedding=None):
    return Scored(
        scores=np.array(scores, np.float32),
        predicted=np.array(predicted),
        probabilities=np.eye(4, dtype=np.float32)[predicted],
        passes=passes,
        embedding=embedding,
    )


def filled(scores, predicted, *, first_row=0):
    board = Board()
    rows = np.arange(len(scores)) + first_row
    board.add(Source.RANDOM, Proposal(rows=rows), scored(scores, predicted))
    return board


def test_entries_are_joined_in_the_order_of_scoring_with_their_sources():
    board = filled([0.1, 0.2], [0, 1])
    proposal = Proposal(
        rows=np.array([9]),
        synthetic=np.array([3]),
        distances=np.array([0.5], np.float32),
        visited=40,
    )
    board.add(Source.SYNTHESIS, proposal, scored([0.7], [2]))
    entries = board.entries()
    assert entries.rows.tolist() == [0, 1, 9]
    assert entries.sources.tolist() == [NUMBER_OF[each] for each in ("random", "random", "synthesis")]
    assert entries.synthetic.tolist() == [-1, -1, 3]
    np.testing.assert_array_equal(entries.distances, np.array([np.nan, np.nan, 0.5], np.float32))
    assert (board.scored, board.visited) == (3, 40)


def test_passes_are_joined_and_taken_along_their_samples():
    board = Board()
    passes = np.random.default_rng(0).random((5, 3, 4), dtype=np.float32)  # [T, M, C]
    embedding = np.arange(6, dtype=np.float32).reshape(3, 2)
    for part in (slice(0, 2), slice(2, 3)):
        board.add(
            Source.CLIMB,
            Proposal(rows=np.arange(3)[part]),
            scored([0.3, 0.1, 0.2][part], [0, 1, 2][part], passes=passes[:, part], embedding=embedding[part]),
        )
    entries = board.entries()
    np.testing.assert_array_equal(entries.passes, passes)
    taken = entries.take(np.array([2, 0]))
    assert taken.rows.tolist() == [2, 0]
    np.testing.assert_array_equal(taken.passes, passes[:, [2, 0]])
    np.testing.assert_array_equal(taken.embedding, embedding[[2, 0]])


def test_ties_keep_the_order_of_scoring():
    entries = filled([0.5, 0.9, 0.5, 0.9, 0.5], [0] * 5).entries()
    assert entries.by_score().tolist() == [1, 3, 0, 2, 4]


def test_trimming_keeps_the_best_and_the_best_of_every_class():
    scores = np.linspace(1, 0.01, 100)
    predicted = [0] * 90 + [3] * 10  # class 3 has the lowest scores
    board = filled(scores, predicted)
    board.trim(best=20, per_class=4)
    assert board.entries().rows.tolist() == [*range(20), 90, 91, 92, 93]
    assert board.scored == 100


def test_a_board_that_is_trimmed_as_it_grows_keeps_what_one_trim_would():
    rng = np.random.default_rng(1)
    scores, predicted = rng.random(500).astype(np.float32), rng.integers(0, 4, 500)
    at_once, as_it_grows = filled(scores, predicted), Board()
    at_once.trim(best=30, per_class=12)
    for start in range(0, 500, 100):
        part = slice(start, start + 100)
        proposal = Proposal(rows=np.arange(500)[part])
        as_it_grows.add(Source.RANDOM, proposal, scored(scores[part], predicted[part]))
        as_it_grows.trim(best=30, per_class=12)
    as_it_grows.trim(best=30, per_class=12)
    kept = at_once.entries()
    assert set(kept.rows.tolist()) == set(as_it_grows.entries().rows.tolist())


def test_a_small_board_is_left_alone():
    board = filled([0.1] * 40, [0] * 40)
    board.trim(best=20, per_class=1)
    assert len(board.entries()) == 40


def test_what_no_classifier_has_seen_says_so():
    entries = not_scored(Source.RANDOM, np.array([4, 2]))
    assert entries.rows.tolist() == [4, 2]
    assert np.isnan(entries.scores).all()
    assert entries.predicted.tolist() == [-1, -1]
