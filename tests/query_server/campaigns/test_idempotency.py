import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from refusals import refused

from query_server.campaigns import Answer, CampaignStore, Label, Lease, Request
from query_server.errors import DowserError, Reason
from query_server.patience import waiting_caller

Ids = Callable[..., npt.NDArray[np.uint64]]
Requests = Callable[..., Request]


def _answer(lease: Lease) -> Answer:
    return Answer(reply=f"round {lease.round}".encode())


def test_every_write_replays_its_answer_even_after_a_restart(
    open_store: Callable[[], CampaignStore], ids: Ids, request_of: Requests
) -> None:
    def write_all(store: CampaignStore) -> list[object]:
        return [
            store.create("first", "digits", 1, request_of("a")),
            store.lease("first", ids(1, 2, 3), 2, request_of("b"), _answer),
            store.record_labels("first", [Label(pool_id=int(ids(1)[0]), label=4)], request_of("c")),
            store.release("first", ids(1, 2), request_of("d")),
        ]

    once = write_all(open_store())
    state = open_store().get("first")
    assert write_all(open_store()) == once
    assert open_store().get("first") == state
    assert (state.labeled, state.leased, state.rounds) == (1, 0, 1)


@pytest.mark.parametrize("other", [{"fingerprint": b"different"}, {"method": "another"}])
def test_a_reused_request_id_is_refused_and_changes_nothing(
    store: CampaignStore, ids: Ids, request_of: Requests, other: dict[str, object]
) -> None:
    store.create("first", "digits", 1, request_of())
    store.lease("first", ids(1), 1, request_of("again"), _answer)
    with refused(Reason.REQUEST_ID_REUSED):
        store.lease("first", ids(2), 1, request_of("again", **other), _answer)
    assert store.get("first").leased == 1


@pytest.mark.parametrize("id_", ["", "x" * 129])
def test_a_request_id_is_1_to_128_characters(store: CampaignStore, id_: str) -> None:
    with refused(Reason.INVALID_ARGUMENT):
        store.create("first", "digits", 1, Request(id=id_, method="any", fingerprint=b""))
    assert store.list() == ()


def test_a_refused_call_leaves_its_request_id_free(
    store: CampaignStore, ids: Ids, request_of: Requests
) -> None:
    store.create("first", "digits", 1, request_of())
    with refused(Reason.BUDGET_EXCEEDS_POOL):
        store.lease("first", ids(1), 51, request_of("retried", fingerprint=b"51"), _answer)
    assert store.lease("first", ids(1), 1, request_of("retried", fingerprint=b"1"), _answer) == b"round 1"


def test_a_late_retry_of_a_creation_does_not_bring_a_deleted_campaign_back(
    store: CampaignStore, request_of: Requests
) -> None:
    created = store.create("first", "digits", 1, request_of("create"))
    store.delete("first", request_of())
    assert store.create("first", "digits", 1, request_of("create")) == created
    assert store.list() == ()


def test_a_duplicate_in_flight_waits_and_gets_the_same_answer(
    store: CampaignStore, ids: Ids, request_of: Requests
) -> None:
    store.create("first", "digits", 1, request_of())
    answers: list[bytes] = []
    worked: list[int] = []

    def select(number: int) -> None:
        request = request_of("twice")
        with store.exclusive(request) as stored:
            if stored is None:
                worked.append(number)
                stored = store.lease("first", ids(number), 1, request, _answer)
            answers.append(stored)

    threads = [threading.Thread(target=select, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, len(worked)) == ([b"round 1"] * 4, 1)


def test_waiting_for_a_duplicate_ends_once_the_caller_no_longer_waits(
    store: CampaignStore, request_of: Requests
) -> None:
    def gone(stage: str) -> None:
        raise DowserError(Reason.DEADLINE_EXCEEDED, stage)

    def duplicate() -> None:
        with waiting_caller(gone), store.exclusive(request_of("slow")):
            pytest.fail("two callers held one request id")

    with (
        ThreadPoolExecutor(1) as threads,
        store.exclusive(request_of("slow")),
        refused(Reason.DEADLINE_EXCEEDED),
    ):
        threads.submit(duplicate).result(60)
    with store.exclusive(request_of("slow")) as stored:
        assert stored is None
