"""What every batch rule promises, and the registry that names them."""

import numpy as np
import pytest

from query_server.selection.batches.registry import BATCH_RULES, batch_rule
from query_server.selection.values import BatchRuleName


@pytest.fixture(params=list(BatchRuleName))
def rule(request):
    return batch_rule(request.param)


def many(shortlist_of, size=60, seed=3):
    passes = np.random.default_rng(seed).dirichlet(np.ones(4), (5, size))
    return shortlist_of(passes=passes, label_counts=[9, 0, 4, 1], seed=seed)


def test_every_name_has_its_rule():
    assert set(BATCH_RULES) == set(BatchRuleName)
    assert all(rule.name is name for name, rule in BATCH_RULES.items())


@pytest.mark.parametrize("budget", [1, 13, 60, 200])
def test_a_batch_has_the_size_asked_for_and_no_candidate_twice(rule, shortlist_of, rng, budget):
    chosen = rule.choose(many(shortlist_of), budget, 1.0, rng)
    assert chosen.dtype == np.int64
    assert len(chosen) == min(budget, 60)
    assert len(set(chosen.tolist())) == len(chosen)
    assert chosen.min() >= 0 and chosen.max() < 60


def test_the_same_seed_gives_the_same_batch(rule, shortlist_of):
    first, second = (rule.choose(many(shortlist_of), 20, 1.0, np.random.default_rng(5)) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_candidates_that_are_all_alike_still_fill_the_batch(rule, shortlist_of, rng):
    alike = shortlist_of(
        scores=np.zeros(12),
        passes=np.tile([0.5, 0.3, 0.2], (3, 12, 1)),
        embedding=np.ones((12, 4)),
        label_counts=[2, 0, 0],
    )
    assert len(set(rule.choose(alike, 8, 1.0, rng).tolist())) == 8


def test_negative_scores_and_one_predicted_class_are_fine(rule, shortlist_of, rng):
    passes = np.random.default_rng(0).dirichlet([50, 1], (4, 30))
    one_class = shortlist_of(
        scores=-np.arange(30.0), passes=passes, predicted=np.zeros(30), labeled=np.ones((3, 4))
    )
    assert len(set(rule.choose(one_class, 10, 1.0, rng).tolist())) == 10


def test_what_is_chosen_from_stays_as_it_was(rule, shortlist_of, rng):
    given, twin = many(shortlist_of), many(shortlist_of)
    rule.choose(given, 20, 1.0, rng)
    for part in ("scores", "predicted", "probabilities", "passes", "features", "embedding", "label_counts"):
        np.testing.assert_array_equal(getattr(given, part), getattr(twin, part))
