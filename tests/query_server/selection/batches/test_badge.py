"""BADGE against k-means++ on gradient embeddings that are really made."""

import numpy as np

from query_server.selection.batches.badge import choose_by_badge


def materialised(shortlist, budget, rng):
    """k-means++ on g = (p - onehot) ⊗ h, [M, C · E], by its definition."""
    q = (
        shortlist.probabilities.astype(np.float64)
        - np.eye(shortlist.probabilities.shape[1])[shortlist.predicted]
    )
    g = (q[:, :, None] * shortlist.embedding.astype(np.float64)[:, None, :]).reshape(len(q), -1)
    picked = [int(np.argmax((g**2).sum(1)))]
    while len(picked) < budget:
        squared = ((g[:, None] - g[picked][None]) ** 2).sum(2).min(1)
        picked.append(int(rng.choice(len(g), p=squared / squared.sum())))
    return picked


def test_the_factorised_choice_equals_the_materialised_one(shortlist_of):
    shortlist = shortlist_of(size=80, classes=5, seed=1)
    for seed in range(3):
        chosen = choose_by_badge(shortlist, 15, 1.0, np.random.default_rng(seed))
        assert chosen.tolist() == materialised(shortlist, 15, np.random.default_rng(seed))


def test_the_longest_gradient_comes_first(shortlist_of, rng):
    probabilities = [[0.9, 0.1], [0.6, 0.4], [0.55, 0.45]]
    embedding = [[1.0, 0.0], [2.0, 0.0], [1.0, 1.0]]  # |g| = 0.14, 1.13, 0.9
    shortlist = shortlist_of(probabilities=probabilities, embedding=embedding)
    assert choose_by_badge(shortlist, 1, 1.0, rng).tolist() == [1]


def test_copies_of_a_pick_are_not_drawn_while_others_are_left(shortlist_of, rng):
    directions = np.random.default_rng(2).normal(size=(3, 6))
    shortlist = shortlist_of(
        probabilities=np.tile([0.6, 0.4], (30, 1)), embedding=np.repeat(directions, 10, axis=0)
    )
    chosen = choose_by_badge(shortlist, 5, 1.0, rng)
    assert set((chosen[:3] // 10).tolist()) == {0, 1, 2}
    left = [position for position in range(30) if position not in chosen[:3]]
    assert chosen[3:].tolist() == left[:2]
