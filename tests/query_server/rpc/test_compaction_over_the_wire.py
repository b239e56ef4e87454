"""CompactPool against real server processes: calls go on, crashes and full disks lose nothing, copies hold it all."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from metrics_port import fetch, free_port
from processes import run_command, start_server, stop_server, succeed

from client import AsyncClient, Client, Dowser, DowserError, NotFoundError, Random
from query_server.maintenance import check, restore

POOL = 1297


def _changed(client: Client, digits) -> tuple[np.ndarray, np.ndarray]:
    """Add a hundred and remove twelve; return (ids added and alive, ids removed)."""
    added = client.add_samples(digits.test[:100]).pool_ids
    gone = np.concatenate([np.arange(0, 20, 2, dtype=np.uint64), added[:2]])
    client.remove_samples(gone)
    return added[2:], gone


def _holds(client: Client, digits, added: np.ndarray, gone: np.ndarray) -> None:
    """Check what `_changed` did, by ids and by a selection of everything."""
    np.testing.assert_array_equal(client.get_samples(added), digits.test[2:100])
    for pool_id in gone[::5]:
        with pytest.raises(NotFoundError):
            client.get_samples([int(pool_id)])
    campaign = client.create_campaign(f"all-{time.monotonic_ns()}")
    size = client.get_pool().size
    picked = client.select_samples(campaign, budget=size, strategy=Random()).pool_ids
    assert set(picked.tolist()) >= set(added.tolist())
    assert not set(picked.tolist()) & set(gone.tolist())


def _folders(state: Path, most: int = 1) -> list[str]:
    """Return the pool's directories once there are no more than `most`: the last user of an old one removes it."""
    give_up = time.monotonic() + 60
    while True:
        names = sorted(path.name for path in (state / "pools" / "digits").iterdir() if path.is_dir())
        if len(names) <= most or time.monotonic() > give_up:
            return names
        time.sleep(0.05)


def test_changes_go_into_an_index_of_their_own_that_a_restart_serves(
    own_server, digits, classifier_bytes
) -> None:
    server = own_server()
    with Client.connect(server.target) as client:
        added, gone = _changed(client, digits)
        campaign = client.create_campaign("c")
        labeled = client.select_samples(campaign, budget=40, strategy=Random()).pool_ids
        client.record_labels(campaign, [(i, i % 10) for i in labeled.tolist()])
        classifier = client.upload_classifier(classifier_bytes)
        before = client.get_pool()
        done = client.compact_pool()
        assert (done.pool, done.size, done.added, done.removed) == ("digits", before.size, 98, 12)
        assert (done.compacted_index_version, done.index_version) == (
            before.index_version,
            before.index_version + 1,
        )
        pool = client.get_pool()
        assert (pool.size, pool.added, pool.removed, pool.index_version) == (
            before.size,
            0,
            0,
            done.index_version,
        )
        _holds(client, digits, added, gone)
        selection = client.select_samples(
            campaign, classifier=classifier, budget=30, strategy=Dowser(max_scored=100)
        )
        assert selection.index_version == done.index_version
        assert not set(selection.pool_ids.tolist()) & set(labeled.tolist())
        assert client.compact_pool().index_version == done.index_version  # nothing changed since
        with pytest.raises(NotFoundError):
            client.compact_pool(pool="other")
    folders = _folders(server.state)
    assert folders == [f"index-{before.index_version}"]
    assert stop_server(server) == 0
    with Client.connect(own_server("--verify", state=server.state).target) as client:
        again = client.get_pool()
        assert (again.size, again.added, again.index_version) == (pool.size, 0, pool.index_version)
        _holds(client, digits, added, gone)
    assert _folders(server.state) == folders


def test_calls_go_on_meanwhile_and_every_change_is_kept(own_server, digits, classifier_bytes) -> None:
    server = own_server()
    stop, failures = threading.Event(), []
    with Client.connect(server.target) as client:
        classifier = client.upload_classifier(classifier_bytes)
        changed: list[int] = []

        def select() -> None:
            campaign, versions = client.create_campaign("busy"), [0]
            while not stop.is_set():
                try:
                    selection = client.select_samples(
                        campaign, classifier=classifier, budget=2, strategy=Dowser(max_scored=40)
                    )
                    versions.append(selection.index_version)
                except DowserError as error:
                    failures.append(error)
            assert versions == sorted(versions)

        def change() -> None:
            while not stop.is_set():
                try:
                    added = client.add_samples(digits.test[:3]).pool_ids
                    client.remove_samples(added[:1])
                    changed.append(int(added[1]))
                except DowserError as error:
                    failures.append(error)

        threads = [threading.Thread(target=work) for work in (select, change)]
        for thread in threads:
            thread.start()
        compactions = []
        for _ in range(3):
            known = len(changed)
            while len(changed) == known and not failures:
                time.sleep(0.01)
            compactions.append(client.compact_pool())
        stop.set()
        for thread in threads:
            thread.join(60)
        assert not failures
        assert all(each.index_version > each.compacted_index_version for each in compactions)
        assert client.get_pool().size == POOL + 2 * len(changed)
        np.testing.assert_array_equal(
            client.get_samples(changed), np.repeat(digits.test[1:2], len(changed), axis=0)
        )
    assert len(_folders(server.state)) == 1


def test_one_is_made_unasked_once_enough_has_changed(own_server, digits) -> None:
    port = free_port()
    server = own_server("--compact-after", 0.05, "--compact-least", 50, "--metrics-port", port)
    with Client.connect(server.target) as client:
        client.add_samples(digits.test[:40])
        time.sleep(3)
        assert client.get_pool().added == 40  # more than nothing, and fewer than --compact-least
        client.add_samples(digits.test[40:100])
        give_up = time.monotonic() + 120
        while client.get_pool().added and time.monotonic() < give_up:
            time.sleep(0.1)
        pool = client.get_pool()
        assert (pool.size, pool.added, pool.index_version) == (POOL + 100, 0, 4)
    told = fetch(port, "/metrics")[1]
    assert 'dowser_compactions_total{pool="digits",result="done"} 1.0' in told
    assert 'dowser_index_outside{pool="digits"} 0.0' in told
    assert "compacted version 3 in" in server.state.with_name("state.log").read_text()


@pytest.mark.parametrize("seconds", [0.3, 2.0, 3.5])
def test_killed_in_the_middle_it_holds_the_old_state_or_the_new_one(
    own_server, digits, seconds: float
) -> None:
    server = own_server()
    with Client.connect(server.target) as client:
        added, gone = _changed(client, digits)
        before = client.get_pool()
        asking = threading.Thread(target=_compacting, args=(server.target,))
        asking.start()
        time.sleep(seconds)
        late = client.add_samples(digits.test[:7]).pool_ids
        server.process.kill()
        server.process.wait()
        asking.join(60)
    again = own_server("--verify", state=server.state)
    with Client.connect(again.target) as client:
        pool = client.get_pool()
        assert pool.size == before.size + 7
        assert (pool.added, pool.removed) in {(105, 12), (7, 0), (0, 0)}
        _holds(client, digits, added, gone)
        np.testing.assert_array_equal(client.get_samples(late), digits.test[:7])
        done = client.compact_pool()
        assert (client.get_pool().added, done.size) == (0, before.size + 7)
    assert _folders(server.state) == [f"index-{done.compacted_index_version}"] or pool.added == 0
    assert stop_server(again) == 0
    assert len(_folders(server.state)) == 1


def _compacting(target: str) -> None:
    with suppress(DowserError), Client.connect(target) as client:
        client.compact_pool()


def test_a_full_disk_changes_nothing_and_later_it_goes_through(own_server, digits) -> None:
    server = own_server()
    with Client.connect(server.target) as client:
        added, gone = _changed(client, digits)
        before = client.get_pool()
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(DowserError) as refused:
            client.compact_pool()
        assert (refused.value.reason, refused.value.metadata["why"]) == ("COMPACTION_REFUSED", "STORAGE_FULL")
        assert "what was served before goes on" in refused.value.message
        assert client.get_pool() == before
        assert _folders(server.state, most=0) == []
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        assert client.compact_pool().added == 98
        _holds(client, digits, added, gone)


@pytest.mark.parametrize("while_running", [True, False])
def test_a_snapshot_holds_what_was_compacted_and_a_check_reads_it(
    own_server, digits, digits_bundle, digits_index, tmp_path, while_running: bool
) -> None:
    server = own_server("--snapshots", tmp_path / "snapshots")
    places = {"bundle": digits_bundle, "index": digits_index, "state": server.state}
    with Client.connect(server.target) as client:
        added, gone = _changed(client, digits)
        client.compact_pool()
        late = client.add_samples(digits.test[100:103]).pool_ids
        version = client.get_pool().index_version
        if while_running:
            made = client.snapshot("monday.tar")
            assert made.index_version == version
    assert stop_server(server) == 0
    copy = tmp_path / "snapshots" / "monday.tar"
    if not while_running:
        copy.parent.mkdir(exist_ok=True)
        folders = [f"--{part}={place}" for part, place in places.items()]
        succeed("dowser-server", "snapshot", *folders, "--out", copy)
    back = {part: tmp_path / "back" / part for part in places}
    restore(copy, **back)
    assert [each for each in check(**back) if not each.ok] == []
    served = start_server(*back.values())
    try:
        with Client.connect(served.target) as client:
            pool = client.get_pool()
            assert (pool.index_version, pool.added) == (version, 3)
            _holds(client, digits, added, gone)
            np.testing.assert_array_equal(client.get_samples(late), digits.test[100:103])
    finally:
        assert stop_server(served) == 0
    (index,) = back["state"].rglob("index-*/index.faiss")
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 1
    index.unlink()
    index.write_bytes(data)
    (wrong,) = (each for each in check(**back) if not each.ok)
    assert wrong.path == str(index)
    shutil.rmtree(index.parent)
    assert any(str(index.parent) in each.path for each in check(**back) if not each.ok)
    done = run_command("dowser-server", "serve", "--port", 0, *(f"--{k}={v}" for k, v in back.items()))
    assert done.returncode == 1
    assert index.parent.name in done.stderr and "Traceback" not in done.stderr


def test_beside_an_index_an_operator_names_nothing_added_is_lost(
    digits_bundle, digits_index, digits, tmp_path
) -> None:
    file = tmp_path / "fewer.npz"
    np.savez(file, x=digits.pool[597:], pool_ids=np.arange(597, POOL, dtype=np.uint64))
    options = ("--bundle", digits_bundle, "--pool", file, "--out", tmp_path / "fewer", "--name", "digits")
    succeed("dowser-server", "index", "build", *options)
    link = tmp_path / "index"
    link.symlink_to(digits_index)

    def point(target: Path) -> None:
        (tmp_path / "next").symlink_to(target)
        (tmp_path / "next").replace(link)

    server = start_server(digits_bundle, link, tmp_path / "state")
    try:
        with Client.connect(server.target) as client:
            added, gone = _changed(client, digits)
            compacted = client.compact_pool()
            same = client.reload()
            assert (same.size, same.index_version) == (compacted.size, compacted.index_version)
            point(tmp_path / "fewer")
            fewer = client.reload()
            assert fewer.size == 700 + 98
            assert fewer.index_version == compacted.index_version + 1
            _holds(client, digits, added, gone)
            point(digits_index)
            back = client.reload()
            assert (back.size, client.get_pool().added) == (compacted.size, 0)
            _holds(client, digits, added, gone)
            (features,) = (tmp_path / "state").rglob("index-*/features.npy")
            features.chmod(0o644)
            data = features.read_bytes()
            features.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
            with pytest.raises(DowserError) as refused:
                client.reload()
            assert refused.value.metadata["why"] == "CORRUPT_FILE"
            assert client.get_pool().index_version == back.index_version
    finally:
        assert stop_server(server) == 0


async def _compact(target: str) -> int:
    async with AsyncClient.connect(target) as client:
        return (await client.compact_pool()).added


def test_both_clients_and_the_command_compact(own_server, digits) -> None:
    server = own_server()
    with Client.connect(server.target) as client:
        client.add_samples(digits.test[:5])
        assert asyncio.run(_compact(server.target)) == 5
        client.add_samples(digits.test[5:8])
        done = run_command("dowser", "admin", "compact", "--target", server.target, "--json")
        assert json.loads(done.stdout)["added"] == 3, done.stderr
