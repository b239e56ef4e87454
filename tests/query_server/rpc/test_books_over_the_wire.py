"""Corrections, retractions, leases that end, export and import, through client and server."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import replace

import pytest

from client import (
    AsyncClient,
    Client,
    ConflictError,
    InvalidArgumentError,
    LabelChange,
    LabelEvent,
    NotFoundError,
    Random,
)
from client.campaign_files import CampaignData, import_campaign, load_campaign, read_campaign, save_campaign
from client.cli import main
from client.errors import InputError


@pytest.fixture
def labeled(client, campaign):
    """A campaign with a round of five picks, two labels of them recorded, one corrected and one retracted."""
    picks = client.select_samples(campaign, budget=5, strategy=Random(), seed=0).pool_ids.tolist()
    client.record_labels(campaign, {picks[0]: 1, picks[1]: 2}, annotator="ann")
    client.correct_labels(campaign, {picks[0]: 3}, annotator="bob")
    client.retract_labels(campaign, [picks[1]], annotator="eve")
    return picks


def test_labels_are_corrected_and_retracted_and_their_history_is_kept(client, campaign, labeled):
    first, second, *rest = labeled
    assert [(each.pool_id, each.label, each.annotator) for each in client.list_labels(campaign)] == [
        (first, 3, "bob")
    ]
    events = list(client.list_label_history(campaign, page_size=3))
    assert [(e.change, e.pool_id, e.previous, e.label, e.annotator) for e in events] == [
        (LabelChange.RECORDED, first, None, 1, "ann"),
        (LabelChange.RECORDED, second, None, 2, "ann"),
        (LabelChange.CORRECTED, first, 1, 3, "bob"),
        (LabelChange.RETRACTED, second, 2, None, "eve"),
    ]
    assert client.list_leases(campaign).tolist() == sorted(rest)
    assert client.get_campaign(campaign).labeled == 1


def test_what_was_never_labeled_cannot_be_corrected_or_retracted(client, campaign):
    for call in (
        lambda: client.correct_labels(campaign, {3: 1}),
        lambda: client.retract_labels(campaign, [3]),
    ):
        with pytest.raises(NotFoundError) as caught:
            call()
        assert caught.value.reason == "LABEL_NOT_FOUND"


def test_leases_end_by_themselves_unless_extended(own_server):
    server = own_server("--lease-seconds", 3)
    with Client.connect(server.target) as client:
        client.create_campaign("c")
        first, second = client.select_samples("c", budget=2, strategy=Random(), seed=0).pool_ids.tolist()
        outcome = client.extend_leases("c", [first, 900], seconds=3600, round=1)
        assert (outcome.extended, outcome.not_leased.tolist()) == (1, [900])
        for _ in range(600):
            if second not in client.list_leases("c").tolist():
                break
            time.sleep(0.05)
        (term,) = client.list_lease_terms("c")
        assert (term.pool_id, term.round) == (first, 1)
        assert 3590 < (term.expire_time - term.lease_time).total_seconds() < 3700
        assert client.get_campaign("c").leased == 1


def test_writes_sent_again_change_nothing_more(client, campaign, labeled):
    first = labeled[0]
    ids = [uuid.uuid4().hex for _ in range(2)]
    corrected = [client.correct_labels(campaign, {first: 0}, request_id=ids[0]) for _ in range(2)]
    retracted = [client.retract_labels(campaign, [first], request_id=ids[1]) for _ in range(2)]
    assert corrected[0] == corrected[1]
    assert retracted[0] == retracted[1]
    assert len(list(client.list_label_history(campaign))) == 6
    with pytest.raises(ConflictError):
        client.correct_labels(campaign, {first: 1}, request_id=ids[0])


def test_an_exported_campaign_is_the_same_after_its_import(client, campaign, labeled, tmp_path):
    file = tmp_path / "campaign.jsonl"
    data = read_campaign(client, campaign)
    save_campaign(data, file)
    assert load_campaign(file) == replace(
        data, events=list(data.events), leases=list(data.leases), rounds=list(data.rounds)
    )
    name, request_id = f"copy-{uuid.uuid4().hex}", uuid.uuid4().hex
    imported = import_campaign(client, load_campaign(file), name=name, request_id=request_id)
    assert import_campaign(client, load_campaign(file), name=name, request_id=request_id) == imported
    assert replace(read_campaign(client, name), name=data.name) == data
    source, copy = client.get_campaign(campaign), imported.campaign
    assert (copy.labeled, copy.leased, copy.unlabeled, copy.rounds) == (
        source.labeled,
        source.leased,
        source.unlabeled,
        source.rounds,
    )


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_labels_travel_as_tables(client, campaign, labeled, tmp_path, format):
    if format == "parquet":
        pytest.importorskip("pyarrow")
    file = tmp_path / f"labels.{format}"
    save_campaign(read_campaign(client, campaign), file)
    imported = import_campaign(client, load_campaign(file), name=f"copy-{uuid.uuid4().hex}").campaign
    assert list(client.list_labels(imported)) == list(client.list_labels(campaign))
    assert (imported.labeled, imported.leased, imported.rounds) == (1, 0, 0)


def test_an_import_is_all_or_nothing(client, digits):
    name = f"copy-{uuid.uuid4().hex}"
    events = [
        LabelEvent(change=LabelChange.RECORDED, pool_id=pool_id, label=0) for pool_id in (3, len(digits.pool))
    ]
    with pytest.raises(NotFoundError):
        client.import_campaign(name, events=events)
    with pytest.raises(InvalidArgumentError, match="recorded where there is no label"):
        client.import_campaign(name, events=[events[0], events[0]])
    assert name not in [each.name for each in client.list_campaigns()]
    assert client.import_campaign(name, events=events, skip_unknown=True).skipped == 1


def test_the_asyncio_client_imports_and_lists_too(server):
    async def run() -> None:
        async with AsyncClient.connect(server.target) as client:
            event = LabelEvent(change=LabelChange.RECORDED, pool_id=3, label=0)
            imported = await client.import_campaign(f"copy-{uuid.uuid4().hex}", events=[event])
            events = [each async for each in client.list_label_history(imported.campaign)]
            assert [(each.pool_id, each.label) for each in events] == [(3, 0)]
            assert await client.list_rounds(imported.campaign) == ()
            assert await client.list_lease_terms(imported.campaign) == ()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", "", "empty"),
        ("a.jsonl", '{"kind": "event"}', "line 1: the first line"),
        ("a.jsonl", '{"kind": "campaign", "version": 2, "name": "", "pool": "", "seed": 0}', "upgrade"),
        ("a.jsonl", "no json", "line 1"),
        ("a.csv", "3,4\n", "must name the columns"),
        ("a.csv", "pool_id,label\n3,x\n", "line 2"),
        ("a.txt", "", "--format"),
    ],
)
def test_a_file_that_is_no_export_is_named_with_what_is_wrong(tmp_path, name, content, said):
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(InputError, match=said):
        load_campaign(file)


def test_a_file_is_there_in_full_or_not_at_all(tmp_path):
    file = tmp_path / "missing" / "a.jsonl"
    with pytest.raises(InputError, match="cannot write"):
        save_campaign(CampaignData(name="c"), file)
    save_campaign(CampaignData(name="c"), tmp_path / "a.jsonl")
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]


def test_the_books_are_kept_from_the_shell(server, client, campaign, labeled, tmp_path, capsys):
    def run(*arguments: object) -> str:
        assert main([*map(str, arguments), "--target", server.target]) == 0
        return capsys.readouterr().out

    first, _, *rest = labeled
    assert run("correct", campaign, f"{first}=7").split() == ["corrected", "1", "labeled", "1"]
    assert "retracted" in run("labels", campaign, "--history")
    assert run("extend", campaign, "--all", "--seconds", 60).split()[:2] == ["extended", str(len(rest))]
    assert run("leases", campaign).splitlines()[0].split() == [
        "POOL_ID",
        "ROUND",
        "LEASE_TIME",
        "EXPIRE_TIME",
    ]
    assert run("rounds", campaign).splitlines()[1].split()[:2] == ["1", "5"]
    exported = run("campaign", "export", campaign, "--format", "csv").splitlines()
    assert exported[1].startswith(f"{first},7,")
    run("campaigns", "export", campaign, "--out", tmp_path / "c.jsonl")
    name = f"copy-{uuid.uuid4().hex}"
    assert "0 samples skipped" in run("campaigns", "import", tmp_path / "c.jsonl", "--name", name)
    assert run("retract", name, first).split() == ["retracted", "1", "labeled", "0"]
    assert client.get_campaign(name).leased == len(rest)
