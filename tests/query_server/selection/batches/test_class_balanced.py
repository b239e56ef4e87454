"""Scores divided by the labels of the predicted class."""

import numpy as np

from query_server.selection.batches.class_balanced import choose_class_balanced


def test_picks_count_as_labels_of_the_predicted_class(shortlist_of, rng):
    shortlist = shortlist_of(
        scores=[1.0, 0.9, 0.8, 0.5, 0.2], predicted=[0, 0, 0, 1, 2], label_counts=[0, 1, 0]
    )
    # 1.0/1, .5/2, .2/1 -> 0; .9/2, .25, .2 -> 1; .8/3 = .267, .25, .2 -> 2; .25 -> 3.
    assert choose_class_balanced(shortlist, 5, 1.0, rng).tolist() == [0, 1, 2, 3, 4]
    rarer = shortlist_of(scores=[1.0, 0.9, 0.8, 0.5, 0.2], predicted=[0, 0, 0, 1, 2], label_counts=[4, 1, 0])
    # .2, .25, .2 -> 3; then class 0's 1/5 and class 2's .2/1 are equal: the fewer labels win.
    assert choose_class_balanced(rarer, 4, 1.0, rng).tolist() == [3, 4, 0, 1]


def test_it_is_the_greedy_choice_over_all_candidates(shortlist_of, rng):
    made = np.random.default_rng(4)
    scores = np.sort(made.random(50))[::-1].astype(np.float32)
    predicted = made.integers(0, 4, 50)
    counts = np.array([7, 0, 3, 1])
    shortlist = shortlist_of(scores=scores, predicted=predicted, classes=4, label_counts=counts)
    left, so_far, expected = list(range(50)), counts.copy(), []
    for _ in range(20):
        best = max(left, key=lambda i: float(scores[i]) / (1 + so_far[predicted[i]]))
        expected.append(best)
        left.remove(best)
        so_far[predicted[best]] += 1
    assert choose_class_balanced(shortlist, 20, 1.0, rng).tolist() == expected


def test_scores_of_zero_are_balanced_all_the_same(shortlist_of, rng):
    shortlist = shortlist_of(
        scores=np.zeros(9), predicted=[0, 0, 0, 1, 1, 1, 2, 2, 2], label_counts=[2, 0, 1]
    )
    assert choose_class_balanced(shortlist, 4, 1.0, rng).tolist() == [3, 4, 6, 0]


def test_negative_scores_are_replaced_by_their_ranks(shortlist_of, rng):
    predicted = [0, 0, 1, 0]
    negative = shortlist_of(scores=[2.0, -1.0, -1.0, -50.0], predicted=predicted, label_counts=[1, 0, 0])
    ranks = shortlist_of(scores=[1.0, 0.75, 0.75, 0.25], predicted=predicted, label_counts=[1, 0, 0])
    expected = choose_class_balanced(ranks, 4, 1.0, rng).tolist()
    assert expected == [2, 0, 1, 3]
    assert choose_class_balanced(negative, 4, 1.0, rng).tolist() == expected
