from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from refusals import refused

from query_server.campaigns import Answer, CampaignStore, Change, Changed, Label, Request
from query_server.errors import Reason

Ids = Callable[..., npt.NDArray[np.uint64]]
Requests = Callable[..., Request]
Reopen = Callable[..., CampaignStore]


def _labels(pool_ids: npt.NDArray[np.uint64], *values: int, annotator: str = "") -> list[Label]:
    return [
        Label(pool_id=int(id_), label=value, annotator=annotator)
        for id_, value in zip(pool_ids, values, strict=True)
    ]


@pytest.fixture
def campaign(store: CampaignStore, ids: Ids, request_of: Requests) -> str:
    campaign = store.create("first", "digits", 0, request_of()).id
    store.record_labels(campaign, _labels(ids(9, 3, 40), 5, 6, 7, annotator="ann"), request_of())
    return campaign


def test_a_corrected_label_keeps_its_place_and_its_history(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests, open_store: Reopen
) -> None:
    before = store.snapshot(campaign)
    changed = store.correct_labels(
        campaign, _labels(ids(40, 9, 3), 1, 2, 6, annotator="bob"), request_of("correct")
    )
    assert changed == Changed(changed=2, labeled=3)  # 3 had that label
    assert before.labels.tolist() == [5, 6, 7]
    for opened in (lambda: store, open_store):
        one = opened()
        assert one.snapshot(campaign).labels.tolist() == [2, 6, 1]
        page, _ = one.labels_page(campaign)
        assert [(entry.label, entry.annotator) for entry in page] == [(2, "bob"), (6, "ann"), (1, "bob")]
        events, _ = one.history_page(campaign)
        assert [(e.change, e.previous, e.label, e.annotator) for e in events] == [
            (Change.RECORDED, None, 5, "ann"),
            (Change.RECORDED, None, 6, "ann"),
            (Change.RECORDED, None, 7, "ann"),
            (Change.CORRECTED, 7, 1, "bob"),
            (Change.CORRECTED, 5, 2, "bob"),
        ]
        assert all(event.time > 0 for event in events)


def test_a_retracted_sample_can_be_selected_and_labeled_again(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests, open_store: Reopen
) -> None:
    changed = store.retract_labels(campaign, ids(9, 40, 9), request_of("retract"), annotator="bob")
    assert changed == Changed(changed=2, labeled=1)
    assert np.flatnonzero(~store.snapshot(campaign).available.mask()).tolist() == [3]
    store.lease(campaign, ids(9), 1, request_of(), lambda lease: Answer(reply=b""))
    store.record_labels(campaign, _labels(ids(9), 8), request_of())
    for opened in (lambda: store, open_store):
        one = opened()
        now = one.snapshot(campaign)
        assert (now.labeled_rows.tolist(), now.labels.tolist()) == ([3, 9], [6, 8])
        assert (now.info.labeled, now.info.leased, now.info.unlabeled) == (2, 0, 48)
        events, _ = one.history_page(campaign)
        assert [(e.change, e.pool_id, e.previous, e.label, e.annotator) for e in events[3:]] == [
            (Change.RETRACTED, ids(9)[0], 5, None, "bob"),
            (Change.RETRACTED, ids(40)[0], 7, None, "bob"),
            (Change.RECORDED, ids(9)[0], None, 8, ""),
        ]
        assert one.retract_labels(campaign, ids(9, 40, 9), request_of("retract"), annotator="bob") == changed


def test_what_has_no_label_cannot_be_corrected_or_retracted_and_nothing_of_the_call_is_done(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    with refused(Reason.LABEL_NOT_FOUND) as caught:
        store.correct_labels(campaign, _labels(ids(9, 1, 2), 0, 0, 0), request_of())
    assert caught.value.metadata == {"pool_id": str(ids(1)[0]), "missing": "2"}
    with refused(Reason.LABEL_NOT_FOUND):
        store.retract_labels(campaign, ids(9, 1), request_of())
    with refused(Reason.LABEL_CONFLICT):  # within one call
        store.correct_labels(campaign, _labels(ids(9, 9), 0, 1), request_of())
    assert store.snapshot(campaign).labels.tolist() == [5, 6, 7]
    assert len(store.history_page(campaign)[0]) == 3


def test_labels_of_removed_samples_can_be_corrected_and_retracted(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests, served: Any
) -> None:
    served.current = served.without(9, 3)
    store.correct_labels(campaign, _labels(ids(9), 0), request_of())
    store.retract_labels(campaign, ids(3), request_of())
    assert store.labels(campaign)[1].tolist() == [0, 7]
    assert store.snapshot(campaign).labeled_rows.tolist() == [40]
    assert store.get(campaign).unlabeled == 47  # of 48 samples, one is labeled


def test_history_pages_join_to_all_events_in_order(
    store: CampaignStore, campaign: str, ids: Ids, request_of: Requests
) -> None:
    store.correct_labels(campaign, _labels(ids(9), 0), request_of())
    store.retract_labels(campaign, ids(9), request_of())
    seen, token = [], ""
    while not seen or token:
        page, token = store.history_page(campaign, page_size=2, page_token=token)
        seen += [event.change for event in page]
    assert seen == [Change.RECORDED] * 3 + [Change.CORRECTED, Change.RETRACTED]
