import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pool_states import StubPool
from refusals import refused

from query_server.campaigns import (
    Answer,
    CampaignStore,
    Label,
    Lease,
    RankedListExhaustedError,
    Recorded,
    Request,
)
from query_server.errors import Reason

Ids = Callable[..., npt.NDArray[np.uint64]]
Requests = Callable[..., Request]


def _answer(lease: Lease) -> Answer:
    return Answer(reply=f"{lease.round}:{lease.positions.tolist()}".encode())


def _labels(pool_ids: npt.NDArray[np.uint64], *values: int) -> list[Label]:
    return [Label(pool_id=int(id_), label=value) for id_, value in zip(pool_ids, values, strict=True)]


@pytest.fixture
def campaign(store: CampaignStore, request_of: Requests) -> str:
    return store.create("first", "digits", 2**64 - 1, request_of()).id


def test_a_campaign_is_found_by_id_and_by_name(store: CampaignStore, campaign: str) -> None:
    assert store.get(campaign) == store.get("first")
    assert store.get("first").seed == 2**64 - 1
    assert store.get("first").unlabeled == 50


def test_campaigns_are_listed_in_order_of_creation(
    store: CampaignStore, campaign: str, request_of: Requests
) -> None:
    store.create("a second", "digits", 0, request_of())
    assert [info.name for info in store.list()] == ["first", "a second"]
    assert store.list("another pool") == ()


@pytest.mark.parametrize(
    ("name", "pool", "seed", "reason"),
    [
        ("first", "digits", 0, Reason.CAMPAIGN_EXISTS),
        ("", "digits", 0, Reason.INVALID_ARGUMENT),
        ("x" * 129, "digits", 0, Reason.INVALID_ARGUMENT),
        ("new", "digits", -1, Reason.INVALID_ARGUMENT),
        ("new", "nowhere", 0, Reason.POOL_NOT_FOUND),
    ],
)
def test_a_refused_creation_changes_nothing(
    store: CampaignStore,
    campaign: str,
    request_of: Requests,
    name: str,
    pool: str,
    seed: int,
    reason: Reason,
) -> None:
    with refused(reason):
        store.create(name, pool, seed, request_of())
    assert [info.name for info in store.list()] == ["first"]


def test_a_lease_takes_the_best_free_ids_in_their_order(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.lease(campaign, ids(3, 4), 2, request_of(), _answer)
    store.record_labels(campaign, _labels(ids(9), 1), request_of())
    leases: list[Lease] = []

    def remember(lease: Lease) -> Answer:
        leases.append(lease)
        return Answer(reply=b"")

    store.lease(campaign, ids(9, 7, 3, 7, 1, 8), 2, request_of(), remember)
    assert leases[0].pool_ids.tolist() == ids(7, 1).tolist()
    assert leases[0].positions.tolist() == [1, 4]
    assert leases[0].round == 2


def test_leased_and_labeled_rows_are_unavailable(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    before = store.snapshot(campaign)
    store.lease(campaign, ids(3, 4), 2, request_of(), _answer)
    store.record_labels(campaign, _labels(ids(3, 10), 5, 6), request_of())
    now = store.snapshot(campaign)
    assert np.flatnonzero(~now.available.mask()).tolist() == [3, 4, 10]
    assert (now.info.labeled, now.info.leased, now.info.unlabeled, now.info.rounds) == (2, 1, 47, 1)
    assert before.available.mask().all()  # a snapshot is the caller's own


def test_released_samples_can_be_leased_again(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.lease(campaign, ids(1, 2), 2, request_of(), _answer)
    store.record_labels(campaign, _labels(ids(1), 0), request_of())
    assert store.release(campaign, ids(1, 2, 2, 30, 4000), request_of()) == 1
    assert np.flatnonzero(~store.snapshot(campaign).available.mask()).tolist() == [1]
    assert store.lease(campaign, ids(1, 2), 1, request_of(), _answer) == b"2:[1]"


def test_a_budget_above_what_is_left_is_refused(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.record_labels(campaign, _labels(ids(*range(45)), *[0] * 45), request_of())
    with refused(Reason.BUDGET_EXCEEDS_POOL) as caught:
        store.lease(campaign, ids(*range(50)), 6, request_of(), _answer)
    assert caught.value.metadata == {"budget": "6", "available": "5"}
    with refused(Reason.INVALID_ARGUMENT):
        store.lease(campaign, ids(49), 0, request_of(), _answer)
    assert store.get(campaign).rounds == 0


def test_a_ranked_list_others_used_up_asks_for_a_new_selection(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.lease(campaign, ids(1, 2), 2, request_of(), _answer)
    with pytest.raises(RankedListExhaustedError) as caught:
        store.lease(campaign, ids(1, 2, 3), 2, request_of(), _answer)
    assert (caught.value.free, caught.value.budget) == (1, 2)
    assert store.get(campaign).leased == 2


def test_a_failing_answer_undoes_the_lease(
    store: CampaignStore,
    campaign: str,
    ids: Ids,
    request_of: Requests,
    open_store: Callable[[], CampaignStore],
) -> None:
    def fail(lease: Lease) -> Answer:
        raise RuntimeError("no answer")

    with pytest.raises(RuntimeError, match="no answer"):
        store.lease(campaign, ids(1), 1, request_of(), fail)
    for one in (store, open_store()):
        assert (one.get(campaign).leased, one.get(campaign).rounds) == (0, 0)


def test_the_same_label_again_is_fine(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    once = store.record_labels(campaign, _labels(ids(1, 2, 1), 7, 8, 7), request_of())
    again = store.record_labels(campaign, _labels(ids(2, 3), 8, 9), request_of())
    assert (once, again) == (Recorded(recorded=2, labeled=2), Recorded(recorded=1, labeled=3))
    pool_ids, labels = store.labels(campaign)
    assert pool_ids.tolist() == ids(1, 2, 3).tolist()
    assert labels.tolist() == [7, 8, 9]


def test_a_conflicting_label_records_none_of_the_call(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.record_labels(campaign, _labels(ids(1), 7), request_of())
    with refused(Reason.LABEL_CONFLICT) as caught:
        store.record_labels(campaign, _labels(ids(2, 1), 8, 6), request_of())
    assert caught.value.metadata["pool_id"] == str(ids(1)[0])
    with refused(Reason.LABEL_CONFLICT):  # within one call
        store.record_labels(campaign, _labels(ids(3, 3), 0, 1), request_of())
    assert store.get(campaign).labeled == 1


def test_unknown_ids_and_impossible_labels_record_nothing(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    with refused(Reason.POOL_ID_NOT_FOUND) as caught:
        store.record_labels(campaign, _labels(ids(1, 50, 51), 0, 0, 0), request_of())
    assert caught.value.metadata == {"pool_id": str(ids(50)[0]), "missing": "2"}
    with refused(Reason.INVALID_ARGUMENT):
        store.record_labels(campaign, _labels(ids(1, 2), 0, -1), request_of())
    assert store.get(campaign).labeled == 0


def test_label_pages_join_to_all_labels_in_order(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    rows = [5, 3, 9, 1, 7]
    store.record_labels(campaign, _labels(ids(*rows), *rows), request_of())
    seen: list[int] = []
    token, pages = "", 0
    while pages == 0 or token:
        page, token = store.labels_page(campaign, page_size=2, page_token=token)
        seen += [entry.label for entry in page]
        pages += 1
        assert all(entry.pool_id == ids(entry.label)[0] and entry.record_time > 0 for entry in page)
    assert (seen, pages) == (rows, 3)
    with refused(Reason.INVALID_ARGUMENT):
        store.labels_page(campaign, page_token="-1")
    with refused(Reason.INVALID_ARGUMENT):
        store.labels_page(campaign, page_size=0)


def test_a_deleted_campaign_is_gone_and_its_name_free(
    store: CampaignStore,
    campaign: str,
    ids: Ids,
    request_of: Requests,
    open_store: Callable[[], CampaignStore],
) -> None:
    store.lease(campaign, ids(1), 1, request_of(), _answer)
    gone = request_of()
    store.delete("first", gone)
    store.delete("first", gone)  # a retry
    with refused(Reason.CAMPAIGN_NOT_FOUND):
        store.get(campaign)
    fresh = open_store().create("first", "digits", 0, request_of())
    assert (fresh.leased, fresh.unlabeled) == (0, 50)


def test_campaigns_do_not_share_their_state(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    other = store.create("other", "digits", 0, request_of()).id
    store.lease(campaign, ids(1), 1, request_of(), _answer)
    assert store.lease(other, ids(1), 1, request_of(), _answer) == b"1:[0]"


def test_a_campaign_of_an_unserved_pool_can_be_read_but_not_used(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests, ledger_path: object
) -> None:
    store.record_labels(campaign, _labels(ids(1), 3), request_of())
    store.close()
    unserved = CampaignStore.open(ledger_path)
    try:
        assert (unserved.get(campaign).labeled, unserved.get(campaign).unlabeled) == (1, 0)
        with refused(Reason.POOL_NOT_FOUND):
            unserved.snapshot(campaign)
    finally:
        unserved.close()


def test_two_threads_never_get_one_id(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    everything = ids(*range(50))
    taken: list[int] = []

    def take(lease: Lease) -> Answer:
        taken.extend(lease.pool_ids.tolist())
        return Answer(reply=b"")

    def lease_all() -> None:
        for _ in range(6):
            store.lease(campaign, everything, 2, request_of(), take)

    threads = [threading.Thread(target=lease_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 48
    assert store.get(campaign).rounds == 24


def test_a_snapshot_holds_the_labels_as_they_were_recorded_also_after_a_restart(
    store: CampaignStore,
    campaign: str,
    ids: Ids,
    request_of: Requests,
    open_store: Callable[[], CampaignStore],
) -> None:
    assert [len(store.snapshot(campaign).labels), len(store.snapshot(campaign).labeled_rows)] == [0, 0]
    store.record_labels(campaign, _labels(ids(9, 3), 5, 6), request_of())
    before = store.snapshot(campaign)
    store.record_labels(campaign, _labels(ids(3, 40, 1), 6, 0, 5), request_of())  # 3 was known
    assert before.labels.tolist() == [5, 6]
    for one in (store, open_store()):
        now = one.snapshot(campaign)
        assert now.labeled_rows.tolist() == [9, 3, 40, 1]
        assert now.labeled_ids.tolist() == ids(9, 3, 40, 1).tolist()
        assert now.labels.tolist() == [5, 6, 0, 5]


def test_a_refused_recording_adds_no_label_to_the_snapshot(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.record_labels(campaign, _labels(ids(1), 7), request_of())
    with refused(Reason.LABEL_CONFLICT):
        store.record_labels(campaign, _labels(ids(2, 1), 8, 6), request_of())
    assert store.snapshot(campaign).labels.tolist() == [7]


def test_memory_is_the_last_one_written_also_after_a_restart(
    store: CampaignStore,
    campaign: str,
    ids: Ids,
    request_of: Requests,
    open_store: Callable[[], CampaignStore],
) -> None:
    other = store.create("other", "digits", 0, request_of()).id
    assert store.snapshot(campaign).memory == b""
    for row, memory in enumerate((b"first", b"second", None)):  # None leaves what is there

        def build(lease: Lease, memory: bytes | None = memory) -> Answer:
            return Answer(reply=b"reply", memory=memory)

        assert store.lease(campaign, ids(row), 1, request_of(), build) == b"reply"
    for one in (store, open_store()):
        assert one.snapshot(campaign).memory == b"second"
        assert one.snapshot(other).memory == b""


def test_memory_is_written_together_with_the_lease_or_not_at_all(
    store: CampaignStore,
    campaign: str,
    ids: Ids,
    request_of: Requests,
    open_store: Callable[[], CampaignStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def remember(lease: Lease) -> Answer:
        return Answer(reply=b"", memory=f"round {lease.round}".encode())

    def fail(lease: Lease) -> Answer:
        raise RuntimeError("no answer")

    def no_disk(request: Request, answer: bytes, campaign: int | None) -> None:
        raise OSError("disk full")

    store.lease(campaign, ids(1), 1, request_of(), remember)
    with pytest.raises(RuntimeError, match="no answer"):
        store.lease(campaign, ids(2), 1, request_of(), fail)
    # The last statement of the transaction, after the memory was written.
    monkeypatch.setattr(store._ledger, "add_request", no_disk)
    with pytest.raises(OSError, match="disk full"):
        store.lease(campaign, ids(3), 1, request_of(), remember)
    for one in (store, open_store()):
        assert one.snapshot(campaign).memory == b"round 1"
        assert one.get(campaign).rounds == 1


def test_removed_samples_cannot_be_selected_or_labeled_and_keep_their_labels(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests, served: Any
) -> None:
    store.lease(campaign, ids(4, 5), 2, request_of(), _answer)
    store.record_labels(campaign, _labels(ids(2, 3), 1, 0), request_of())
    before = served.current
    served.current = served.without(3, 5, 9)
    now = store.snapshot(campaign)
    assert np.flatnonzero(~now.available.mask()).tolist() == [2, 3, 4, 5, 9]
    assert (now.labeled_rows.tolist(), now.labeled_ids.tolist(), now.labels.tolist()) == (
        [2],
        ids(2).tolist(),
        [1],
    )
    assert (now.info.labeled, now.info.leased, now.info.unlabeled) == (2, 2, 45)
    assert store.lease(campaign, ids(9, 3, 7, 5, 8), 2, request_of(), _answer) == b"2:[2, 4]"  # 9 is gone
    with refused(Reason.POOL_ID_NOT_FOUND):
        store.record_labels(campaign, _labels(ids(10, 9), 0, 0), request_of())
    assert store.release(campaign, ids(5), request_of()) == 1  # what is gone can still be given back
    # Rows of an older state, for work that began before the removal.
    old = store.snapshot(campaign, before)
    assert old.labeled_rows.tolist() == [2, 3]
    assert np.flatnonzero(~old.available.mask()).tolist() == [2, 3, 4, 7, 8]


def test_a_pool_whose_rows_were_renumbered_has_the_same_labels(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests, served: Any
) -> None:
    store.record_labels(campaign, _labels(ids(20, 12), 1, 0), request_of())
    served.current = StubPool(40, offset=int(ids(10)[0]))
    now = store.snapshot(campaign)
    assert (now.labeled_rows.tolist(), now.labels.tolist(), now.info.unlabeled) == ([10, 2], [1, 0], 38)
