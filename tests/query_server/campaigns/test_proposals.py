"""Candidates held for a proposal: leases of their own until it is settled."""

import json

import numpy as np
import pytest

from query_server.campaigns.values import Answer, RankedListExhaustedError
from query_server.errors import DowserError, Reason


@pytest.fixture
def campaign(store, request_of):
    return store.create("held", "digits", 1, request_of()).id


def settled(lease):
    """An answer that says what was leased."""
    reply = {"round": lease.round, "ids": lease.pool_ids.tolist(), "positions": lease.positions.tolist()}
    return Answer(reply=json.dumps(reply).encode(), memory=b"remembered")


def test_what_is_held_is_leased_to_no_round(store, campaign, ids, request_of):
    assert store.hold(campaign, ids(3, 1, 2), request_of(), lambda: b"proposed") == b"proposed"
    info = store.get(campaign)
    assert (info.leased, info.unlabeled, info.rounds) == (3, 47, 0)
    assert store.leases(campaign).tolist() == ids(1, 2, 3).tolist()
    assert not store.snapshot(campaign).available.mask()[[1, 2, 3]].any()


def test_a_settled_proposal_keeps_the_best_that_it_holds_and_gives_back_the_rest(
    store, campaign, ids, request_of
):
    store.hold(campaign, ids(1, 2, 3, 4), request_of("p"), lambda: b"")
    reply = json.loads(store.settle(campaign, "p", ids(9, 4, 2, 1), 2, request_of("c"), settled))
    assert reply == {"round": 1, "ids": ids(4, 2).tolist(), "positions": [1, 2]}
    info = store.get(campaign)
    assert (info.leased, info.unlabeled, info.rounds) == (2, 48, 1)
    assert store.leases(campaign).tolist() == ids(2, 4).tolist()
    assert np.flatnonzero(~store.snapshot(campaign).available.mask()).tolist() == [2, 4]
    assert store.snapshot(campaign).memory == b"remembered"


def test_answers_are_stored_and_all_of_it_outlives_a_restart(store, open_store, campaign, ids, request_of):
    for _ in range(2):
        assert store.hold(campaign, ids(1, 2, 3), request_of("p", "propose"), lambda: b"first") == b"first"
        store = open_store()
    assert store.answered("p", "propose") == b"first"
    assert store.answered("p", "another") is store.answered("q", "propose") is None
    first = store.settle(campaign, "p", ids(1, 2), 2, request_of("c"), settled)
    store = open_store()
    assert store.settle(campaign, "p", ids(1, 2), 2, request_of("c"), settled) == first
    assert store.leases(campaign).tolist() == ids(1, 2).tolist()
    assert (store.get(campaign).leased, store.get(campaign).rounds) == (2, 1)


def test_a_candidate_that_is_not_free_holds_up_the_proposal(store, campaign, ids, request_of):
    store.hold(campaign, ids(1, 2), request_of(), lambda: b"")
    with pytest.raises(RankedListExhaustedError):
        store.hold(campaign, ids(2, 3), request_of(), lambda: b"")
    assert store.leases(campaign).tolist() == ids(1, 2).tolist()


def test_a_proposal_settles_only_what_it_still_holds(store, campaign, ids, request_of):
    store.hold(campaign, ids(1, 2, 3), request_of("p"), lambda: b"")
    store.release(campaign, ids(2, 3), request_of())
    store.hold(campaign, ids(2), request_of("other"), lambda: b"")
    with pytest.raises(RankedListExhaustedError):
        store.settle(campaign, "p", ids(1, 2, 3), 2, request_of(), settled)
    assert store.leases(campaign).tolist() == ids(1, 2).tolist()
    store.settle(campaign, "p", ids(1, 2, 3), 1, request_of(), settled)
    with pytest.raises(RankedListExhaustedError):  # it has been settled
        store.settle(campaign, "p", ids(1), 1, request_of(), settled)
    assert store.leases(campaign).tolist() == ids(1, 2).tolist()


def test_an_answer_that_fails_changes_nothing(store, campaign, ids, request_of):
    def fails(*_):
        raise DowserError(Reason.CANCELLED, "gone")

    with pytest.raises(DowserError):
        store.hold(campaign, ids(1, 2), request_of(), fails)
    assert store.get(campaign).leased == 0
    store.hold(campaign, ids(1, 2), request_of("p"), lambda: b"")
    with pytest.raises(DowserError):
        store.settle(campaign, "p", ids(1), 1, request_of(), fails)
    assert (store.get(campaign).leased, store.get(campaign).rounds) == (2, 0)
    assert store.leases(campaign).tolist() == ids(1, 2).tolist()


def test_a_proposal_that_is_never_committed_lapses(open_store, served, ids, request_of):
    now = [1000.0]
    store = open_store(lease_seconds=60.0, clock=lambda: now[0])
    campaign = store.create("lapses", "digits", 1, request_of()).id
    store.hold(campaign, ids(1, 2, 3), request_of("p"), lambda: b"")
    now[0] += 61
    assert store.get(campaign).leased == 0
    with pytest.raises(RankedListExhaustedError):
        store.settle(campaign, "p", ids(1), 1, request_of(), settled)
    store.hold(campaign, ids(2), request_of("q"), lambda: b"")
    with pytest.raises(RankedListExhaustedError):
        store.settle(campaign, "p", ids(2), 1, request_of(), settled)
    store.settle(campaign, "q", ids(2), 1, request_of(), settled)
    now[0] += 59
    assert store.leases(campaign).tolist() == ids(2).tolist()
    now[0] += 2
    assert store.leases(campaign).tolist() == []


def test_a_sample_that_left_the_pool_is_not_kept(store, served, campaign, ids, request_of):
    store.hold(campaign, ids(1, 2), request_of("p"), lambda: b"")
    served.current = served.without(1)
    with pytest.raises(RankedListExhaustedError):
        store.settle(campaign, "p", ids(1, 2), 2, request_of(), settled)
    reply = json.loads(store.settle(campaign, "p", ids(1, 2), 1, request_of(), settled))
    assert reply["ids"] == ids(2).tolist()
