"""BatchBALD against mutual information summed over every configuration of labels."""

import numpy as np
import pytest

from query_server.errors import DowserError
from query_server.selection.batches.batch_bald import choose_by_batch_bald


def joint_information(passes, batch):
    """I(y_batch; w) in nats by its definition, over all C^|batch| configurations; passes [T, M, C]."""
    given = np.ones((1, len(passes)))  # p(configuration | pass), [configurations, T]
    for i in batch:
        given = (given[:, None, :] * passes[:, i].T[None]).reshape(-1, len(passes))
    return (given * np.log(given / given.mean(axis=1, keepdims=True))).mean(axis=1).sum()


def greedy(passes, count):
    batch = []
    while len(batch) < count:
        left = [i for i in range(passes.shape[1]) if i not in batch]
        batch.append(max(left, key=lambda i: joint_information(passes, [*batch, i])))
    return batch


def test_picks_maximize_the_joint_information(shortlist_of, rng):
    passes = np.random.default_rng(0).dirichlet([0.5, 0.5], (4, 8)).clip(0.01, 0.99)
    passes /= passes.sum(axis=2, keepdims=True)
    chosen = choose_by_batch_bald(shortlist_of(passes=passes), 5, 1.0, rng)
    assert chosen.tolist() == greedy(passes, 5)


def test_a_copy_of_a_pick_is_worth_less_than_what_tells_other_passes_apart(shortlist_of, rng):
    high, low = [0.98, 0.02], [0.02, 0.98]
    splits_first = [high, high, low, low]
    splits_second = [[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.1, 0.9]]
    passes = np.array([splits_first, splits_first, splits_second]).transpose(1, 0, 2)
    # Alone the copy is worth more; after the first pick it only repeats it.
    assert joint_information(passes, [1]) > joint_information(passes, [2])
    assert choose_by_batch_bald(shortlist_of(passes=passes), 2, 1.0, rng).tolist() == [0, 2]


def test_drawn_configurations_pick_what_all_of_them_would(shortlist_of):
    # Of 12 classes, 833 configurations are drawn from the third pick on.
    passes = np.random.default_rng(1).dirichlet(np.full(12, 2.0), (8, 10))
    drawn = choose_by_batch_bald(shortlist_of(passes=passes), 5, 1.0, np.random.default_rng(0))
    assert drawn.tolist() == greedy(passes, 5)


def test_once_the_passes_are_told_apart_picks_start_over(shortlist_of, rng):
    sure = [[1.0, 0.0], [0.0, 1.0]]  # one label tells which of two passes is right
    hint = [[0.6, 0.4], [0.4, 0.6]]
    passes = np.array([hint, sure, sure, hint]).transpose(1, 0, 2)
    assert choose_by_batch_bald(shortlist_of(passes=passes), 4, 1.0, rng).tolist() == [1, 2, 0, 3]


def test_passes_that_agree_leave_the_choice_to_the_score(shortlist_of, rng):
    passes = np.tile(np.random.default_rng(0).dirichlet([1, 1], (1, 6)), (3, 1, 1))
    assert choose_by_batch_bald(shortlist_of(passes=passes), 3, 1.0, rng).tolist() == [0, 1, 2]


def test_past_the_joint_picks_the_scores_decide(shortlist_of, rng, monkeypatch):
    monkeypatch.setattr("query_server.selection.batches.batch_bald._MOST_CANDIDATES", 10)
    monkeypatch.setattr("query_server.selection.batches.batch_bald._MOST_JOINT_PICKS", 5)
    passes = np.random.default_rng(0).dirichlet([1, 1], (3, 60))
    chosen = choose_by_batch_bald(shortlist_of(passes=passes), 40, 1.0, rng).tolist()
    assert max(chosen[:5]) < 10
    assert chosen[5:] == [i for i in range(60) if i not in chosen[:5]][:35]


def test_a_deterministic_classifier_is_refused(shortlist_of, rng):
    with pytest.raises(DowserError, match="stochastic"):
        choose_by_batch_bald(shortlist_of(size=5), 2, 1.0, rng)
