"""The SQL of the ledger, and nothing else: every method is one statement's worth of meaning.

The caller holds the store's lock and, for writes, a transaction. Ids cross this border as uint64 arrays or
ints and are stored as signed 64-bit integers with the same bits.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from query_server.campaigns.values import Label, Request
from query_server.timing import reported

UInt64Array = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class CampaignRow:
    """One row of the campaigns table; `key` is its integer key inside the file."""

    key: int
    id: str
    name: str
    pool: str
    seed: int
    create_time: float
    rounds: int
    memory: bytes = b""


@dataclass(frozen=True, kw_only=True)
class StoredRequest:
    """What a request id was used for, and its answer."""

    method: str
    fingerprint: bytes
    answer: bytes


class Ledger:
    """The statements over one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def close(self) -> None:
        """Close the file; SQLite folds the write-ahead log into it."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block has ended without an error."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with reported("commit"):
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def campaigns(self) -> list[CampaignRow]:
        """Return every campaign in order of creation."""
        rows = self._connection.execute(
            "SELECT key, id, name, pool, seed, create_time, rounds, memory FROM campaigns ORDER BY key"
        )
        return [
            CampaignRow(
                key=key,
                id=id_,
                name=name,
                pool=pool,
                seed=seed % 2**64,
                create_time=create_time,
                rounds=rounds,
                memory=memory,
            )
            for key, id_, name, pool, seed, create_time, rounds, memory in rows
        ]

    def add_campaign(self, id_: str, name: str, pool: str, seed: int) -> CampaignRow:
        """Insert a campaign; id and name are known to be free."""
        now = time.time()
        cursor = self._connection.execute(
            "INSERT INTO campaigns (id, name, pool, seed, create_time) VALUES (?, ?, ?, ?, ?)",
            (id_, name, pool, _signed(seed), now),
        )
        key = cursor.lastrowid
        assert key is not None  # an INSERT that did not raise has one
        return CampaignRow(key=key, id=id_, name=name, pool=pool, seed=seed, create_time=now, rounds=0)

    def delete_campaign(self, key: int) -> None:
        """Delete a campaign with its labels, leases, rounds and stored answers."""
        self._connection.execute("DELETE FROM campaigns WHERE key = ?", (key,))

    def labels(self, key: int) -> tuple[UInt64Array, npt.NDArray[np.int64]]:
        """Return (pool_ids [L], labels [L]) in the order they were recorded."""
        rows = self._connection.execute(
            "SELECT pool_id, label FROM labels WHERE campaign = ? ORDER BY sequence", (key,)
        ).fetchall()
        table = np.array(rows, dtype=np.int64).reshape(-1, 2)  # [L, 2]
        return table[:, 0].astype(np.uint64), table[:, 1].copy()

    def leased_ids(self, key: int) -> UInt64Array:
        """Return the leased pool ids [n], in no order."""
        rows = self._connection.execute("SELECT pool_id FROM leases WHERE campaign = ?", (key,)).fetchall()
        return np.array(rows, dtype=np.int64).reshape(-1).astype(np.uint64)

    def label_count(self, key: int) -> int:
        """Return how many samples of a campaign are labeled."""
        query = "SELECT count(*) FROM labels WHERE campaign = ?"
        return int(self._connection.execute(query, (key,)).fetchone()[0])

    def lease_count(self, key: int) -> int:
        """Return how many samples of a campaign are leased."""
        query = "SELECT count(*) FROM leases WHERE campaign = ?"
        return int(self._connection.execute(query, (key,)).fetchone()[0])

    def labels_after(self, key: int, sequence: int, limit: int) -> list[tuple[int, Label]]:
        """Return up to `limit` (sequence, label) recorded after `sequence`."""
        rows = self._connection.execute(
            "SELECT sequence, pool_id, label, annotator, record_time FROM labels "
            "WHERE campaign = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (key, sequence, limit),
        )
        return [
            (
                number,
                Label(pool_id=pool_id % 2**64, label=label, annotator=annotator, record_time=record_time),
            )
            for number, pool_id, label, annotator, record_time in rows
        ]

    def label_of(self, key: int, pool_id: int) -> int | None:
        """Return the recorded label of one sample; O(log L)."""
        row = self._connection.execute(
            "SELECT label FROM labels WHERE campaign = ? AND pool_id = ?", (key, _signed(pool_id))
        ).fetchone()
        return None if row is None else int(row[0])

    def add_labels(self, key: int, labels: Sequence[Label]) -> None:
        """Insert labels of samples that have none, and end their leases."""
        now = time.time()
        self._connection.executemany(
            "INSERT INTO labels (campaign, pool_id, label, annotator, record_time) VALUES (?, ?, ?, ?, ?)",
            ((key, _signed(entry.pool_id), entry.label, entry.annotator, now) for entry in labels),
        )
        self._connection.executemany(
            "DELETE FROM leases WHERE campaign = ? AND pool_id = ?",
            ((key, _signed(entry.pool_id)) for entry in labels),
        )

    def add_round(self, key: int, round_: int, pool_ids: UInt64Array, request_id: str) -> None:
        """Insert a round and the leases it made."""
        now = time.time()
        self._connection.execute(
            "INSERT INTO rounds (campaign, round, budget, request_id, time) VALUES (?, ?, ?, ?, ?)",
            (key, round_, len(pool_ids), request_id, now),
        )
        self._connection.execute("UPDATE campaigns SET rounds = ? WHERE key = ?", (round_, key))
        self._connection.executemany(
            "INSERT INTO leases (campaign, pool_id, round, lease_time) VALUES (?, ?, ?, ?)",
            ((key, pool_id, round_, now) for pool_id in pool_ids.astype(np.int64).tolist()),
        )

    def remember(self, key: int, memory: bytes) -> None:
        """Replace a campaign's memory."""
        self._connection.execute("UPDATE campaigns SET memory = ? WHERE key = ?", (memory, key))

    def delete_leases(self, key: int, pool_ids: UInt64Array) -> None:
        """Delete the leases of the given samples."""
        self._connection.executemany(
            "DELETE FROM leases WHERE campaign = ? AND pool_id = ?",
            ((key, pool_id) for pool_id in pool_ids.astype(np.int64).tolist()),
        )

    def request(self, id_: str) -> StoredRequest | None:
        """Return what a request id was used for."""
        row = self._connection.execute(
            "SELECT method, fingerprint, answer FROM requests WHERE id = ?", (id_,)
        ).fetchone()
        return None if row is None else StoredRequest(method=row[0], fingerprint=row[1], answer=row[2])

    def add_request(self, request: Request, answer: bytes, campaign: int | None) -> None:
        """Store the answer of a request; with a campaign it is deleted together with it."""
        self._connection.execute(
            "INSERT INTO requests (id, campaign, method, fingerprint, answer, time) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (request.id, campaign, request.method, request.fingerprint, answer, time.time()),
        )


def _signed(value: int) -> int:
    """Return the signed 64-bit integer with the bits of a uint64."""
    return value - 2**64 if value >= 2**63 else value
