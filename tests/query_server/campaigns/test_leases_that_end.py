from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from query_server.campaigns import Answer, CampaignStore, Label, Lease, Request
from query_server.errors import DowserError, Reason

Ids = Callable[..., npt.NDArray[np.uint64]]
Requests = Callable[..., Request]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reopen(open_store: Callable[..., CampaignStore], clock: Clock) -> Callable[[], CampaignStore]:
    return lambda: open_store(lease_seconds=60, clock=clock)


@pytest.fixture
def store(reopen: Callable[[], CampaignStore], request_of: Requests) -> CampaignStore:
    store = reopen()
    store.create("first", "digits", 0, request_of())
    return store


def _answer(lease: Lease) -> Answer:
    return Answer(reply=f"{lease.round}:{lease.pool_ids.tolist()}".encode())


def _taken(store: CampaignStore) -> list[int]:
    return np.flatnonzero(~store.snapshot("first").available.mask()).tolist()


def test_a_lapsed_lease_returns_its_unlabeled_samples(
    store: CampaignStore, clock: Clock, ids: Ids, request_of: Requests
) -> None:
    store.lease("first", ids(1, 2, 3), 3, request_of(), _answer)
    store.record_labels("first", [Label(pool_id=int(ids(2)[0]), label=0)], request_of())
    clock.now += 59.9
    assert _taken(store) == [1, 2, 3]
    clock.now += 0.1
    assert _taken(store) == [2]
    assert [(info.leased, info.unlabeled) for info in store.list()] == [(0, 49)]
    assert store.leases("first").tolist() == []
    assert store.lease("first", ids(2, 3), 1, request_of(), _answer) == f"2:{ids(3).tolist()}".encode()


def test_what_has_lapsed_is_over_after_a_restart_too_and_is_written_with_the_next_write(
    store: CampaignStore,
    clock: Clock,
    ids: Ids,
    request_of: Requests,
    reopen: Callable[[], CampaignStore],
) -> None:
    store.lease("first", ids(1, 2), 2, request_of(), _answer)
    clock.now += 60
    store.lease(
        "first", ids(2), 1, request_of(), _answer
    )  # leased again: its first lease must be gone by then
    again = reopen()
    assert _taken(again) == [2]
    clock.now -= (
        30  # set back: the lease that was deleted does not come back, nor does the new one end sooner
    )
    assert _taken(reopen()) == [2]


def test_a_clock_that_is_set_back_does_not_bring_a_lapsed_lease_back(
    store: CampaignStore, clock: Clock, ids: Ids, request_of: Requests
) -> None:
    store.lease("first", ids(1), 1, request_of(), _answer)
    clock.now += 60
    assert _taken(store) == []
    clock.now -= 50
    assert _taken(store) == []
    assert store.leases("first").tolist() == []


def test_a_failed_write_after_a_lapse_leaves_what_lapsed_free(
    store: CampaignStore, clock: Clock, ids: Ids, request_of: Requests, reopen: Callable[[], CampaignStore]
) -> None:
    def fail(lease: Lease) -> Answer:
        raise RuntimeError("no answer")

    store.lease("first", ids(1), 1, request_of(), _answer)
    clock.now += 60
    with pytest.raises(RuntimeError, match="no answer"):
        store.lease("first", ids(1), 1, request_of(), fail)
    assert store.get("first").leased == 0
    store.lease("first", ids(1), 1, request_of(), _answer)
    for one in (store, reopen()):
        assert (one.get("first").leased, one.get("first").rounds) == (1, 2)


def test_a_label_counts_after_its_lease_has_ended(
    store: CampaignStore, clock: Clock, ids: Ids, request_of: Requests
) -> None:
    store.lease("first", ids(1), 1, request_of(), _answer)
    clock.now += 100
    store.record_labels("first", [Label(pool_id=int(ids(1)[0]), label=4)], request_of())
    assert (store.get("first").labeled, store.get("first").leased) == (1, 0)


def test_an_extended_lease_ends_later_and_never_sooner(
    store: CampaignStore, clock: Clock, ids: Ids, request_of: Requests, reopen: Callable[[], CampaignStore]
) -> None:
    store.lease("first", ids(1, 2, 3), 3, request_of(), _answer)
    store.record_labels("first", [Label(pool_id=int(ids(3)[0]), label=4)], request_of())
    clock.now += 50
    outcome = store.extend("first", ids(1, 3, 7, 1), 100, request_of("extend"))
    assert (outcome.extended, outcome.not_leased) == (1, tuple(ids(3, 7).tolist()))
    store.extend("first", ids(1), 1, request_of())  # ends later already
    clock.now += 10
    assert store.leases("first").tolist() == ids(1).tolist()
    again = reopen()
    assert again.extend("first", ids(1, 3, 7, 1), 100, request_of("extend")) == outcome
    (term,) = again.lease_terms("first")
    assert (term.round, term.lease_time, term.expire_time) == (1, 1e9, 1e9 + 150)
    clock.now += 90
    assert again.leases("first").tolist() == []
    assert again.extend("first", ids(1), 100, request_of()).extended == 0


def test_another_rounds_lease_is_not_extended(
    store: CampaignStore, clock: Clock, ids: Ids, request_of: Requests
) -> None:
    store.lease("first", ids(1), 1, request_of(), _answer)
    clock.now += 60
    store.lease("first", ids(1), 1, request_of(), _answer)  # somebody else has it now
    assert store.extend("first", ids(1), 100, request_of(), round_=1).not_leased == tuple(ids(1).tolist())
    assert store.extend("first", ids(1), 100, request_of(), round_=2).extended == 1


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e12])
def test_a_term_that_cannot_be_is_refused(
    store: CampaignStore, ids: Ids, request_of: Requests, seconds: float
) -> None:
    with pytest.raises(DowserError) as caught:
        store.extend("first", ids(1), seconds, request_of())
    assert caught.value.reason is Reason.INVALID_ARGUMENT


def test_leases_without_a_term_last_until_they_are_released(
    open_store: Callable[..., CampaignStore], clock: Clock, ids: Ids, request_of: Requests
) -> None:
    store = open_store(clock=clock)
    store.create("first", "digits", 0, request_of())
    store.lease("first", ids(1), 1, request_of(), _answer)
    store.extend("first", ids(1), 10, request_of())
    clock.now += 1e9
    assert [term.expire_time for term in store.lease_terms("first")] == [None]
    assert store.release("first", ids(1), request_of()) == 1


def test_old_answers_are_forgotten_and_young_ones_kept(
    open_store: Callable[..., Any], clock: Clock, request_of: Requests
) -> None:
    def stored(store: CampaignStore, id_: str) -> bytes | None:
        with store.exclusive(request_of(id_)) as answer:
            return answer

    store = open_store(clock=clock, answer_days=2)
    store.create("first", "digits", 0, request_of("old"))
    clock.now += 86_400
    store.create("second", "digits", 0, request_of("young"))
    clock.now += 86_401
    assert stored(store, "old") is not None  # forgotten by a write or at open, not by the clock alone
    store.create("third", "digits", 0, request_of("newest"))
    assert stored(store, "old") is None
    assert stored(store, "young") is not None
    clock.now += 86_400
    again = open_store(clock=clock, answer_days=2)
    assert (stored(again, "young"), stored(again, "newest") is None) == (None, False)
    clock.now += 1e9
    assert stored(open_store(clock=clock, answer_days=0), "newest") is not None
