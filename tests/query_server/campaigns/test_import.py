from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from query_server.campaigns import (
    Answer,
    CampaignContent,
    CampaignStore,
    Change,
    Label,
    LabelEvent,
    LeaseTerm,
    Request,
    RoundInfo,
)
from query_server.errors import DowserError, Reason

Ids = Callable[..., npt.NDArray[np.uint64]]
Requests = Callable[..., Request]


def _content(store: CampaignStore, campaign: str) -> CampaignContent:
    return CampaignContent(
        events=store.history_page(campaign)[0],
        leases=store.lease_terms(campaign),
        rounds=store.rounds(campaign),
    )


@pytest.fixture
def content(store: CampaignStore, ids: Ids, request_of: Requests) -> CampaignContent:
    """Of a campaign with two rounds, one label recorded, one corrected, one retracted, and leases."""
    store.create("source", "digits", 3, request_of())
    for rows in ((1, 2, 3), (4, 5)):
        store.lease("source", ids(*rows), len(rows), request_of(), lambda lease: Answer(reply=b""))
    labels = [Label(pool_id=int(ids(row)[0]), label=row, annotator="ann") for row in (3, 2, 1)]
    store.record_labels("source", labels, request_of())
    store.correct_labels("source", [replace(labels[1], label=7)], request_of())
    store.retract_labels("source", ids(1), request_of())
    return _content(store, "source")


def test_an_imported_campaign_is_the_exported_one_also_after_a_restart(
    store: CampaignStore,
    content: CampaignContent,
    request_of: Requests,
    open_store: Callable[..., CampaignStore],
) -> None:
    imported = store.import_campaign("copy", "digits", 3, content, request_of("import"))
    assert imported.skipped == 0
    for opened in (lambda: store, open_store):
        one = opened()
        source, copy = one.snapshot("source"), one.snapshot("copy")
        assert copy.info == replace(
            source.info, id=copy.info.id, name="copy", create_time=copy.info.create_time
        )
        assert np.array_equal(copy.available.mask(), source.available.mask())
        assert copy.labels.tolist() == source.labels.tolist() == [3, 7]
        assert _content(one, "copy") == content == _content(one, "source")
        assert one.labels_page("copy") == one.labels_page("source")
        assert one.import_campaign("copy", "digits", 3, content, request_of("import")) == imported


def test_unknown_samples_are_refused_or_left_out(
    store: CampaignStore, content: CampaignContent, ids: Ids, request_of: Requests
) -> None:
    strange = LabelEvent(change=Change.RECORDED, pool_id=int(ids(50)[0]), label=0)
    more = replace(
        content,
        events=[*content.events, strange],
        leases=[*content.leases, LeaseTerm(pool_id=7, round=1, lease_time=1.0, expire_time=None)],
    )
    with pytest.raises(DowserError) as caught:
        store.import_campaign("copy", "digits", 0, more, request_of())
    assert caught.value.reason is Reason.POOL_ID_NOT_FOUND
    assert caught.value.metadata == {"pool_id": "7", "missing": "2"}
    assert [info.name for info in store.list()] == ["source"]
    imported = store.import_campaign("copy", "digits", 0, more, request_of(), skip_unknown=True)
    assert imported.skipped == 2
    assert _content(store, "copy") == content


def test_a_lease_of_a_sample_with_a_label_is_left_out(
    store: CampaignStore, ids: Ids, request_of: Requests
) -> None:
    id_ = int(ids(4)[0])
    content = CampaignContent(
        events=[LabelEvent(change=Change.RECORDED, pool_id=id_, label=0)],
        leases=[LeaseTerm(pool_id=id_, round=1, lease_time=1.0, expire_time=None)],
    )
    imported = store.import_campaign("copy", "digits", 0, content, request_of())
    assert (imported.campaign.labeled, imported.campaign.leased) == (1, 0)
    assert store.labels_page("copy")[0][0].record_time > 1e9  # no time means now


def test_a_lease_that_ended_before_the_import_is_over(
    store: CampaignStore, ids: Ids, request_of: Requests
) -> None:
    term = LeaseTerm(pool_id=int(ids(4)[0]), round=1, lease_time=1.0, expire_time=2.0)
    imported = store.import_campaign("copy", "digits", 0, CampaignContent(leases=[term]), request_of())
    assert (imported.campaign.leased, imported.campaign.unlabeled) == (0, 50)
    store.lease("copy", ids(4), 1, request_of(), lambda lease: Answer(reply=b""))


RECORDED = LabelEvent(change=Change.RECORDED, pool_id=2**63 + 1000, label=0)
LEASED = LeaseTerm(pool_id=2**63 + 1000, round=1, lease_time=1.0, expire_time=None)


@pytest.mark.parametrize(
    "content",
    [
        CampaignContent(events=[RECORDED, RECORDED]),
        CampaignContent(events=[replace(RECORDED, change=Change.CORRECTED)]),
        CampaignContent(events=[replace(RECORDED, change=Change.RETRACTED, label=None)]),
        CampaignContent(events=[RECORDED, replace(RECORDED, change=Change.RETRACTED)]),
        CampaignContent(events=[replace(RECORDED, label=None)]),
        CampaignContent(events=[replace(RECORDED, label=-1)]),
        CampaignContent(events=[replace(RECORDED, time=float("nan"))]),
        CampaignContent(events=[replace(RECORDED, time=-1.0)]),
        CampaignContent(leases=[LEASED, LEASED]),
        CampaignContent(leases=[replace(LEASED, expire_time=1e300)]),
        CampaignContent(leases=[replace(LEASED, round=2**64 - 1)]),
        CampaignContent(rounds=[RoundInfo(round=0, budget=1, time=1.0)]),
        CampaignContent(rounds=[RoundInfo(round=1, budget=1, time=1.0)] * 2),
        CampaignContent(rounds=[RoundInfo(round=2**64 - 1, budget=1, time=1.0)]),
    ],
)
def test_content_that_cannot_be_makes_no_campaign(
    store: CampaignStore, request_of: Requests, content: CampaignContent
) -> None:
    with pytest.raises(DowserError) as caught:
        store.import_campaign("copy", "digits", 0, content, request_of())
    assert caught.value.reason is Reason.INVALID_ARGUMENT
    assert store.list() == ()


def test_a_taken_name_and_an_unserved_pool_are_refused(
    store: CampaignStore, content: CampaignContent, request_of: Requests
) -> None:
    for name, pool, reason in (
        ("source", "digits", Reason.CAMPAIGN_EXISTS),
        ("copy", "another", Reason.POOL_NOT_FOUND),
    ):
        with pytest.raises(DowserError) as caught:
            store.import_campaign(name, pool, 0, content, request_of())
        assert caught.value.reason is reason
