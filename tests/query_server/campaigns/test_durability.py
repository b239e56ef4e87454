import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pool_states import StubPool
from refusals import refused

from query_server.campaigns import CampaignStore, Change, Label, Request
from query_server.campaigns.schema import VERSION, open_ledger
from query_server.errors import Reason

SIZE = 100_000
WRITER = Path(__file__).with_name("_writer.py")
ROOT = Path(__file__).parents[3]


def _open(path: Path, **settings: Any) -> CampaignStore:
    store = CampaignStore.open(path, **settings)
    pool = StubPool(SIZE)
    store.register_pool("pool", lambda: pool)
    return store


def test_kill_9_loses_nothing_acknowledged_and_hands_no_id_out_twice(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = _open(path)
    store.create("c", "pool", 0, Request(id="create", method="create", fingerprint=b""))
    store.close()
    leased: list[int] = []
    labeled: list[int] = []
    for life in range(5):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(life), str(SIZE)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}:{ROOT / 'tests'}"},
        )
        assert writer.stdout is not None
        # Killed at the reply to a lease in even lives and to a label in odd ones, then somewhere in the next
        # write.
        for _ in range(20 + life):
            line = writer.stdout.readline()
            assert line, "the writer ended by itself"
            _note(line, leased, labeled)
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                _note(line, leased, labeled)
        writer.wait()
        writer.stdout.close()

    store = _open(path)
    try:
        info = store.get("c")
        taken = np.flatnonzero(~store.snapshot("c").available.mask())
        pool_ids, labels = store.labels("c")
    finally:
        store.close()
    assert len(leased) == len(set(leased)) >= 150
    assert set(leased) <= set(taken.tolist())
    assert set(labeled) <= set(pool_ids.tolist())
    assert labels.tolist() == [pool_id % 10 for pool_id in pool_ids.tolist()]
    # At most the one unacknowledged write of each life is there beside what was acknowledged.
    assert len(leased) <= 3 * info.rounds == info.labeled + info.leased <= len(leased) + 3 * 5
    assert len(labeled) <= info.labeled <= len(labeled) + 5


def _note(line: str, leased: list[int], labeled: list[int]) -> None:
    kind, value = line.split(" ", 1)
    if kind == "leased":
        leased += json.loads(value)
    else:
        labeled.append(int(value))


def test_a_second_process_cannot_open_the_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = _open(path)
    try:
        with refused(Reason.UNAVAILABLE):
            CampaignStore.open(path)
    finally:
        store.close()
    _open(path).close()


def test_a_ledger_of_a_newer_version_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    _open(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with refused(Reason.CORRUPT_FILE) as caught:
        CampaignStore.open(path)
    assert "99" in str(caught.value)
    assert "upgrade the server" in str(caught.value)


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read as a header" * 40])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with refused(Reason.CORRUPT_FILE) as caught:
        CampaignStore.open(path)
    assert caught.value.metadata == {"file": str(path)}
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with refused(Reason.CORRUPT_FILE):
        CampaignStore.open(path)


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    # kill -9 keeps what the system has cached; only fsync at each commit survives a power cut.
    connection = open_ledger(tmp_path / "ledger.sqlite")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    finally:
        connection.close()


# A ledger as the first version of the server made it, with one campaign of two labels and a lease.
VERSION_1 = """
CREATE TABLE campaigns (
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE, pool TEXT NOT NULL,
    seed INTEGER NOT NULL, create_time REAL NOT NULL, rounds INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE labels (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    pool_id INTEGER NOT NULL, label INTEGER NOT NULL, annotator TEXT NOT NULL, record_time REAL NOT NULL,
    UNIQUE (campaign, pool_id)
) STRICT;
CREATE INDEX labels_in_order ON labels (campaign, sequence);
CREATE TABLE leases (
    campaign INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    pool_id INTEGER NOT NULL, round INTEGER NOT NULL, lease_time REAL NOT NULL, PRIMARY KEY (campaign, pool_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE rounds (
    campaign INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    round INTEGER NOT NULL, budget INTEGER NOT NULL, request_id TEXT NOT NULL, time REAL NOT NULL,
    PRIMARY KEY (campaign, round)
) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
    id TEXT PRIMARY KEY, campaign INTEGER REFERENCES campaigns(key) ON DELETE CASCADE,
    method TEXT NOT NULL, fingerprint BLOB NOT NULL, answer BLOB NOT NULL, time REAL NOT NULL
) STRICT;
CREATE INDEX requests_of_campaign ON requests (campaign);
INSERT INTO campaigns (id, name, pool, seed, create_time, rounds) VALUES ('abc', 'old', 'pool', -1, 1.5, 1);
INSERT INTO labels (campaign, pool_id, label, annotator, record_time) VALUES (1, 7, 3, 'ann', 2.5), (1, 5, 4, '', 2.5);
INSERT INTO leases VALUES (1, 9, 1, 2.0);
INSERT INTO rounds VALUES (1, 1, 3, 'select', 2.0);
INSERT INTO requests VALUES ('select', 1, 'select', x'00', x'616e73776572', 2.0);
PRAGMA application_id = 0x446F7773;
PRAGMA user_version = 1;
"""


def test_a_ledger_of_version_1_is_brought_up_and_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    connection.close()
    for memory in (b"", b"kept"):  # brought up at the first opening, as it is from then on
        store = _open(path, answer_days=0)
        try:
            info = store.get("old")
            assert (info.id, info.seed, info.labeled, info.leased, info.rounds) == ("abc", 2**64 - 1, 2, 1, 1)
            now = store.snapshot("old")
            assert (now.labeled_ids.tolist(), now.labels.tolist()) == ([7, 5], [3, 4])
            assert np.flatnonzero(~now.available.mask()).tolist() == [5, 7, 9]
            with store.exclusive(Request(id="select", method="select", fingerprint=bytes(1))) as stored:
                assert stored == b"answer"
            assert now.memory == memory
        finally:
            store.close()
        if not memory:
            with sqlite3.connect(path) as connection:
                assert connection.execute("PRAGMA user_version").fetchone() == (3,)
                connection.execute("UPDATE campaigns SET memory = ?", (b"kept",))
            connection.close()


VERSION_2 = VERSION_1.replace("PRAGMA user_version = 1", "PRAGMA user_version = 2") + (
    "ALTER TABLE campaigns ADD COLUMN memory BLOB NOT NULL DEFAULT x'6d656d6f7279';"
)


@pytest.mark.parametrize(("made", "memory"), [(VERSION_1, b""), (VERSION_2, b"memory")])
def test_an_older_ledger_gets_a_history_of_its_labels_and_leases_without_a_term(
    tmp_path: Path, made: str, memory: bytes
) -> None:
    path = tmp_path / "ledger.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(made)
    connection.close()
    for _ in range(2):
        store = _open(path, answer_days=0, lease_seconds=1)
        try:
            assert store.snapshot("old").memory == memory
            events, _ = store.history_page("old")
            assert [(e.change, e.pool_id, e.label, e.previous, e.annotator, e.time) for e in events[:2]] == [
                (Change.RECORDED, 7, 3, None, "ann", 2.5),
                (Change.RECORDED, 5, 4, None, "", 2.5),
            ]
            assert [(term.pool_id, term.expire_time) for term in store.lease_terms("old")] == [(9, None)]
            store.correct_labels(
                "old", [Label(pool_id=7, label=1)], Request(id="c", method="c", fingerprint=b"")
            )
            assert store.labels("old")[1].tolist() == [1, 4]
        finally:
            store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)
        fresh = tmp_path / "fresh.sqlite"
        _open(fresh).close()
        with sqlite3.connect(fresh) as other:  # brought up, it has what a new one has
            indexes = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'index') ORDER BY name"
            assert connection.execute(indexes).fetchall() == other.execute(indexes).fetchall()
        other.close()
    connection.close()


def test_a_full_disk_refuses_the_write_and_keeps_what_was_there(tmp_path: Path) -> None:
    def request(id_: str) -> Request:
        return Request(id=id_, method="any", fingerprint=b"")

    path = tmp_path / "ledger.sqlite"
    store = _open(path)
    try:
        store.create("c", "pool", 0, request("create"))
        store.record_labels("c", [Label(pool_id=1, label=1)], request("first"))
        pages = store._ledger._connection.execute("PRAGMA page_count").fetchone()[0]
        store._ledger._connection.execute(f"PRAGMA max_page_count = {pages}")
        many = [Label(pool_id=pool_id, label=0) for pool_id in range(2, 5000)]
        with refused(Reason.STORAGE_FULL):
            store.record_labels("c", many, request("second"))
        assert (store.get("c").labeled, store.get("c").unlabeled) == (1, SIZE - 1)
        store._ledger._connection.execute("PRAGMA max_page_count = 1000000")
        assert store.record_labels("c", many, request("second")).recorded == len(many)
    finally:
        store.close()
