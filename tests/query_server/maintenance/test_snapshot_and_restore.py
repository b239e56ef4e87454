"""Snapshots of a server that does not run: made, checked, put back; and refused where something is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pool_states import StubPool

from query_server.campaigns import CampaignStore
from query_server.campaigns.values import Label, Request
from query_server.errors import DowserError, Reason
from query_server.files import sha256_of, write_durably
from query_server.maintenance import check, offline_sources, restore, write_snapshot


@dataclass(frozen=True)
class Places:
    bundle: Path
    index: Path
    state: Path

    @classmethod
    def below(cls, folder: Path) -> Places:
        return cls(folder / "bundle", folder / "index", folder / "state")

    def check(self) -> list[str]:
        found = check(bundle=self.bundle, index=self.index, state=self.state)
        assert found
        return [f"{Path(each.path).name}: {each.problem}" for each in found if not each.ok]

    def contents(self) -> dict[str, str]:
        folders = {"bundle": self.bundle, "index": self.index, "state": self.state}
        return {
            f"{part}/{path.relative_to(folder)}": sha256_of(path)
            for part, folder in folders.items()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".sqlite"
        }


def open_store(state: Path) -> CampaignStore:
    store = CampaignStore.open(state / "ledger.sqlite")
    pool = StubPool(1297)
    store.register_pool("digits", lambda: pool)
    return store


def request(name: str) -> Request:
    return Request(id=name, method="Test", fingerprint=name.encode())


@pytest.fixture
def places(digits_bundle: Path, digits_index: Path, classifier_bytes: bytes, tmp_path: Path) -> Places:
    made = Places.below(tmp_path / "served")
    shutil.copytree(digits_bundle, made.bundle)
    shutil.copytree(digits_index, made.index)
    store = open_store(made.state)
    store.create("kept", "digits", 0, request("create"))
    store.record_labels("kept", [Label(pool_id=i, label=i % 3) for i in range(40)], request("label"))
    store.close()
    (made.state / "classifiers").mkdir()
    name = hashlib.sha256(classifier_bytes).hexdigest()
    write_durably(made.state / "classifiers" / f"{name}.onnx", classifier_bytes)
    return made


def snapshot(places: Places, out: Path) -> Path:
    write_snapshot(out, offline_sources(bundle=places.bundle, index=places.index, state=places.state))
    return out


def labels(state: Path) -> dict[int, int]:
    store = open_store(state)
    try:
        ids, values = store.labels("kept")
        return dict(zip(ids.tolist(), values.tolist(), strict=True))
    finally:
        store.close()


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_what_is_restored_is_what_was_copied(places: Places, tmp_path: Path, name: str) -> None:
    out = snapshot(places, tmp_path / name)
    back = Places.below(tmp_path / "back")
    restored = restore(out, bundle=back.bundle, index=back.index, state=back.state)
    assert back.check() == []
    assert back.contents() == places.contents()
    assert labels(back.state) == labels(places.state) == {i: i % 3 for i in range(40)}
    assert (restored.pool, restored.index_version) == ("digits", 1)
    assert sorted(path.name for path in back.state.parent.iterdir()) == ["bundle", "index", "state"]


def test_what_score_jobs_wrote_is_left_out(places: Places, tmp_path: Path) -> None:
    job = places.state / "jobs" / "1"
    job.mkdir(parents=True)
    (job / "shard-00000.parquet").write_bytes(b"scores")
    sources = offline_sources(bundle=places.bundle, index=places.index, state=places.state)
    names = [entry.name for entry in write_snapshot(tmp_path / "snapshot", sources).contents]
    assert not [name for name in names if "jobs" in name]
    assert [name for name in names if name.startswith("state/classifiers/")]


def test_what_is_uploaded_while_the_databases_are_copied_is_copied_too(
    places: Places, tmp_path: Path, other_classifier_bytes: bytes
) -> None:
    sources = offline_sources(bundle=places.bundle, index=places.index, state=places.state)
    store = open_store(places.state)
    name = f"{hashlib.sha256(other_classifier_bytes).hexdigest()}.onnx"

    def backup_after_an_upload(out: Path) -> None:
        write_durably(places.state / "classifiers" / name, other_classifier_bytes)
        store.record_labels("kept", [Label(pool_id=99, label=7)], request("of the upload"))
        store.backup(out)

    made = write_snapshot(
        tmp_path / "copy", replace(sources, copies={"ledger.sqlite": backup_after_an_upload})
    )
    store.close()
    assert f"state/classifiers/{name}" in made.entries()
    back = Places.below(tmp_path / "back")
    restore(tmp_path / "copy", bundle=back.bundle, index=back.index, state=back.state)
    assert labels(back.state)[99] == 7


def test_what_a_killed_attempt_left_is_removed_by_the_next(places: Places, tmp_path: Path) -> None:
    for left in (".copy.databases/0", ".copy.partial/state/old", "served/.index.replaced/old"):
        (tmp_path / left).parent.mkdir(parents=True)
        (tmp_path / left).write_bytes(b"left")
    out = snapshot(places, tmp_path / "copy")
    shutil.rmtree(places.index)  # put aside, and killed before another took its place
    restore(out, bundle=places.bundle, index=places.index, state=places.state, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "served"]
    assert sorted(path.name for path in places.state.parent.iterdir()) == ["bundle", "index", "state"]
    assert places.check() == []


def test_what_a_killed_server_left_in_its_log_is_copied_too(places: Places, tmp_path: Path) -> None:
    store = open_store(places.state)
    store.record_labels("kept", [Label(pool_id=99, label=7)], request("late"))
    left = tmp_path / "left"
    shutil.copytree(places.state, left)  # as a kill leaves it: the write is in the log beside the file
    store.close()
    assert (left / "ledger.sqlite-wal").stat().st_size > 0
    killed = Places(places.bundle, places.index, left)
    assert killed.check() == []
    back = Places.below(tmp_path / "back")
    out = snapshot(killed, tmp_path / "copy")
    restore(out, bundle=back.bundle, index=back.index, state=back.state)
    assert labels(back.state)[99] == 7


def test_state_that_a_server_has_open_is_neither_copied_nor_replaced(places: Places, tmp_path: Path) -> None:
    out = snapshot(places, tmp_path / "copy")
    store = open_store(places.state)
    try:
        with pytest.raises(DowserError) as refused:
            snapshot(places, tmp_path / "other")
        assert refused.value.reason is Reason.UNAVAILABLE
        assert "dowser admin snapshot" in refused.value.message
        with pytest.raises(DowserError) as refused:
            restore(out, bundle=places.bundle, index=places.index, state=places.state, overwrite=True)
        assert refused.value.reason is Reason.UNAVAILABLE
        assert [each.split(":")[0] for each in places.check()] == ["ledger.sqlite"]
    finally:
        store.close()
    assert not (tmp_path / "other").exists()
    assert labels(places.state) == {i: i % 3 for i in range(40)}


def test_nothing_is_replaced_unless_asked_for(places: Places, tmp_path: Path) -> None:
    out = snapshot(places, tmp_path / "copy")
    store = open_store(places.state)
    store.record_labels("kept", [Label(pool_id=99, label=7)], request("later"))
    store.close()
    with pytest.raises(DowserError) as refused:
        restore(out, bundle=places.bundle, index=places.index, state=places.state)
    assert "--overwrite" in refused.value.message
    assert 99 in labels(places.state)
    restore(out, bundle=places.bundle, index=places.index, state=places.state, overwrite=True)
    assert 99 not in labels(places.state)
    assert places.check() == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.unlink()  # a snapshot's files may be links to the originals
    path.write_bytes(data)


@pytest.mark.parametrize("damage", ["flip", "missing", "listed outside", "not listed"])
def test_a_damaged_snapshot_puts_nothing_in_place(places: Places, tmp_path: Path, damage: str) -> None:
    out = snapshot(places, tmp_path / ("copy.tar" if damage == "not listed" else "copy"))
    match damage:
        case "flip":
            flip(out / "index" / "features.npy")
        case "missing":
            (out / "bundle" / "encoder.onnx").unlink()
        case "listed outside":
            listed = json.loads((out / "snapshot.json").read_text())
            listed["contents"][0]["name"] = "state/../../escaped"
            (out / "snapshot.json").write_text(json.dumps(listed))
        case "not listed":
            with tarfile.open(out, "a") as tar:
                member = tarfile.TarInfo("state/../../escaped")
                member.size = 1
                tar.addfile(member, io.BytesIO(b"x"))
    back = Places.below(tmp_path / "back")
    with pytest.raises(DowserError) as refused:
        restore(out, bundle=back.bundle, index=back.index, state=back.state)
    assert refused.value.reason is Reason.CORRUPT_FILE
    assert not (tmp_path / "escaped").exists()
    assert not back.bundle.parent.exists() or list(back.bundle.parent.iterdir()) == []


def test_no_snapshot_is_made_of_a_damaged_file(places: Places, tmp_path: Path) -> None:
    flip(places.index / "samples.npy")
    with pytest.raises(DowserError) as refused:
        snapshot(places, tmp_path / "copy")
    assert refused.value.metadata["file"].endswith("samples.npy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["served"]


def test_the_check_names_each_file_that_is_wrong(places: Places, other_classifier_bytes: bytes) -> None:
    assert places.check() == []
    flip(places.bundle / "generator.onnx")
    (places.index / "pool_ids.npy").unlink()
    (classifier,) = (places.state / "classifiers").iterdir()
    classifier.write_bytes(other_classifier_bytes)
    ledger = places.state / "ledger.sqlite"
    ledger.write_bytes(ledger.read_bytes()[:6000])
    wrong = places.check()
    assert [each.split(":")[0] for each in wrong] == [
        "generator.onnx",
        "pool_ids.npy",
        "ledger.sqlite",
        classifier.name,
    ]


def test_the_check_holds_index_and_bundle_together(places: Places) -> None:
    manifest = json.loads((places.index / "manifest.json").read_text())
    manifest["bundle_digest"] = manifest["encoder_sha256"] = "ab" * 32
    (places.index / "manifest.json").write_text(json.dumps(manifest))
    (wrong,) = places.check()
    assert "features do not match" in wrong


def test_a_ledger_of_another_version_or_program_is_found(places: Places) -> None:
    for pragma, told in (
        ("user_version = 999", "schema version 999"),
        ("application_id = 1", "another program"),
    ):
        connection = sqlite3.connect(places.state / "ledger.sqlite")
        connection.execute(f"PRAGMA {pragma}")
        connection.close()
        (wrong,) = places.check()
        assert told in wrong


def test_other_databases_of_the_state_are_checked_and_copied(places: Places, tmp_path: Path) -> None:
    folder = places.state / "of-another-version"
    folder.mkdir()
    connection = sqlite3.connect(folder / "other.sqlite")
    connection.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (3);")
    connection.close()
    np.arange(5).tofile(folder / "other.bin")
    out = snapshot(places, tmp_path / "copy.tar")
    back = Places.below(tmp_path / "back")
    restore(out, bundle=back.bundle, index=back.index, state=back.state)
    connection = sqlite3.connect(back.state / "of-another-version" / "other.sqlite")
    assert connection.execute("SELECT x FROM t").fetchall() == [(3,)]
    connection.close()
    assert back.contents() == places.contents()
    (folder / "other.sqlite").write_bytes(b"no database" * 500)
    assert [each.split(":")[0] for each in places.check()] == ["other.sqlite"]
