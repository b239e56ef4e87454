"""From scored candidates to an order of all of them."""

import numpy as np
import pytest

from query_server.selection.batches.choose import choose_batch
from query_server.selection.batches.registry import batch_rule
from query_server.selection.values import BatchChoice, BatchRuleName


def line(shortlist_of):
    return shortlist_of(embedding=[[0.0], [1.0], [2.0], [30.0], [90.0], [5.0]])


@pytest.mark.parametrize("name", list(BatchRuleName))
@pytest.mark.parametrize("choice", [BatchChoice(), BatchChoice(shortlist=25, duplicate_distance=1.2)])
def test_every_candidate_has_its_place_and_spares_follow_by_score(name, choice, shortlist_of):
    passes = np.random.default_rng(3).dirichlet(np.ones(4), (5, 60))
    shortlist = shortlist_of(passes=passes)
    orders = [
        choose_batch(batch_rule(name), shortlist, count=10, choice=choice, rng=np.random.default_rng(1))
        for _ in range(2)
    ]
    assert sorted(orders[0].tolist()) == list(range(60))
    assert orders[0][10:].tolist() == sorted(orders[0][10:].tolist())
    assert orders[0].tolist() == orders[1].tolist()


def test_the_rule_looks_at_the_shortlist_only(shortlist_of, rng):
    rule = batch_rule(BatchRuleName.K_CENTER)
    order = choose_batch(rule, line(shortlist_of), count=2, choice=BatchChoice(shortlist=4), rng=rng)
    assert order.tolist() == [0, 3, 1, 2, 4, 5]
    everything = choose_batch(rule, line(shortlist_of), count=2, choice=BatchChoice(), rng=rng)
    assert everything.tolist() == [0, 4, 1, 2, 3, 5]


def test_a_shortlist_below_the_count_is_widened_to_it(shortlist_of, rng):
    rule = batch_rule(BatchRuleName.K_CENTER)
    order = choose_batch(rule, line(shortlist_of), count=4, choice=BatchChoice(shortlist=2), rng=rng)
    assert sorted(order[:4].tolist()) == [0, 1, 2, 3]


def test_near_duplicates_give_way_to_the_next_best(shortlist_of, rng):
    # Nearest others at 1, 1, 1, 25, 60, 3: the median is 2.
    choice = BatchChoice(duplicate_distance=0.75)
    order = choose_batch(batch_rule(BatchRuleName.TOP), line(shortlist_of), count=3, choice=choice, rng=rng)
    assert order.tolist() == [0, 2, 3, 1, 4, 5]


def test_every_part_of_the_shortlist_follows_the_candidates(shortlist_of, rng):
    embedding = np.array([[0.0], [0.0], [40.0], [80.0], [120.0]])
    passes = np.array([[[0.9, 0.1], [0.9, 0.1], [0.5, 0.5], [0.8, 0.2], [0.1, 0.9]]] * 2)
    passes[1] = passes[1, :, ::-1]
    shortlist = shortlist_of(passes=passes, embedding=embedding, predicted=[0, 0, 1, 0, 1])
    choice = BatchChoice(duplicate_distance=0.1)
    order = choose_batch(batch_rule(BatchRuleName.BATCH_BALD), shortlist, count=2, choice=choice, rng=rng)
    # Without the copy 1: 0 tells the passes apart best, then 4, which says as much.
    assert order.tolist() == [0, 4, 1, 2, 3]
    balanced = choose_batch(
        batch_rule(BatchRuleName.CLASS_BALANCED), shortlist, count=2, choice=choice, rng=rng
    )
    assert balanced.tolist()[:2] == [0, 2]


def test_more_asked_for_than_there_is_gives_all(shortlist_of, rng):
    rule = batch_rule(BatchRuleName.BADGE)
    choice = BatchChoice(duplicate_distance=1.0)
    order = choose_batch(rule, line(shortlist_of), count=50, choice=choice, rng=rng)
    assert sorted(order.tolist()) == list(range(6))
