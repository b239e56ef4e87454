"""Snapshots of a running server: consistent under load, once for a request, and only where they may go."""

from __future__ import annotations

import json
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest
from processes import run_command, start_server, stop_server, succeed

from client import Client, DowserError, Random
from query_server.campaigns import CampaignStore
from query_server.maintenance import check, restore


@pytest.fixture
def copying(digits_bundle, digits_index, tmp_path):
    running = start_server(
        digits_bundle, digits_index, tmp_path / "state", "--snapshots", tmp_path / "snapshots"
    )
    yield running
    if running.process.poll() is None:
        stop_server(running)


def recorded(state: Path, name: str) -> tuple[dict[int, int], set[int]]:
    store = CampaignStore.open(state / "ledger.sqlite")
    try:
        ids, labels = store.labels(name)
        return dict(zip(ids.tolist(), labels.tolist(), strict=True)), set(store.leases(name).tolist())
    finally:
        store.close()


@pytest.mark.parametrize("name", ["monday", "monday.tar"])
def test_under_load_a_snapshot_is_one_moment_and_can_be_served(
    copying, classifier_bytes, digits, tmp_path, name
):
    acknowledged: list[int] = []
    begun: set[int] = set()
    stop = threading.Event()
    busy = threading.Event()

    def work() -> None:
        with Client.connect(copying.target) as client:
            while not stop.is_set():
                ids = client.select_samples("busy", budget=2, strategy=Random()).pool_ids.tolist()
                begun.update(ids)
                client.record_labels("busy", {ids[0]: ids[0] % 10})
                acknowledged.append(ids[0])
                if len(acknowledged) > 10:
                    busy.set()

    with Client.connect(copying.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("busy")
        client.create_campaign("still")
        client.record_labels("still", {3: 1, 4: 2})
        leased = set(client.select_samples("still", budget=9, strategy=Random()).pool_ids.tolist())
        added = client.add_samples(digits.test[:3])
        thread = threading.Thread(target=work)
        thread.start()
        assert busy.wait(60)
        before = set(acknowledged)
        made = client.snapshot(name)
        stop.set()
        thread.join(60)
    assert made.index_version == added.index_version == 2
    assert (tmp_path / "snapshots" / name).exists()
    back = {part: tmp_path / "back" / part for part in ("bundle", "index", "state")}
    restore(tmp_path / "snapshots" / name, **back)
    assert [each for each in check(**back) if not each.ok] == []
    assert recorded(back["state"], "still") == ({3: 1, 4: 2}, leased)
    labels, _ = recorded(back["state"], "busy")
    assert before <= set(labels) <= begun
    assert all(label == pool_id % 10 for pool_id, label in labels.items())
    served = start_server(back["bundle"], back["index"], back["state"])
    try:
        with Client.connect(served.target) as client:
            picked = client.select_samples("still", classifier=uploaded, budget=20).pool_ids.tolist()
            assert not set(picked) & (leased | {3, 4})
            assert np.array_equal(client.get_samples(added.pool_ids), digits.test[:3])
            assert client.get_pool().index_version == 2
    finally:
        assert stop_server(served) == 0
    (features,) = (back["state"] / "pools").rglob("features-*.bin")
    features.write_bytes(bytes(features.stat().st_size))
    (wrong,) = (each for each in check(**back) if not each.ok)
    assert features.name in wrong.problem


def test_the_same_request_returns_the_same_snapshot_and_a_name_is_taken_once(copying, tmp_path):
    with Client.connect(copying.target) as client:
        request_id = uuid.uuid4().hex
        first = client.snapshot("once", request_id=request_id)
        assert client.snapshot("once", request_id=request_id) == first
        with pytest.raises(DowserError) as refused:
            client.snapshot("once")
        assert (refused.value.reason, refused.value.metadata["why"]) == ("SNAPSHOT_REFUSED", "EXISTS")
        for name in ("../out", "a/b", ".hidden", "", "x" * 129):
            with pytest.raises(DowserError) as refused:
                client.snapshot(name)
            assert refused.value.reason == "INVALID_ARGUMENT"
    assert [path.name for path in (tmp_path / "snapshots").iterdir()] == ["once"]


def test_without_a_directory_for_them_no_snapshot_is_made(client):
    with pytest.raises(DowserError) as refused:
        client.snapshot("anywhere")
    assert refused.value.metadata["why"] == "NOT_CONFIGURED"
    assert "--snapshots" in refused.value.message


def test_the_commands_copy_check_and_put_back(copying, tmp_path):
    done = run_command("dowser", "admin", "snapshot", "by-command.tar", "--target", copying.target, "--json")
    assert json.loads(done.stdout)["name"] == "by-command.tar", done.stderr
    folders = [f"--{part}={tmp_path / 'put-back' / part}" for part in ("bundle", "index", "state")]
    source = tmp_path / "snapshots" / "by-command.tar"
    succeed("dowser-server", "restore", "--from", source, *folders)
    done = run_command("dowser-server", "check", *folders, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"]
    succeed("dowser-server", "snapshot", *folders, "--out", tmp_path / "again")
    (tmp_path / "put-back" / "index" / "index.faiss").write_bytes(b"")
    done = run_command("dowser-server", "check", *folders)
    assert done.returncode == 1
    assert "index.faiss: 0 bytes" in done.stdout
    assert "Traceback" not in done.stderr
    done = run_command("dowser-server", "restore", "--from", source, *folders)
    assert done.returncode == 1
    assert "--overwrite" in done.stderr
