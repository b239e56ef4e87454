"""The SQL of the ledger, and nothing else: every method is one statement's worth of meaning.

The caller holds the store's lock and, for writes, a transaction. Ids cross this border as uint64 arrays or
ints and are stored as signed 64-bit integers with the same bits.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from query_server.campaigns.values import Change, Label, LabelEvent, LeaseTerm, Request, RoundInfo
from query_server.files import refusing_failed_writes
from query_server.timing import reported

_BACKUP_PAGES = 1024
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
    """The statements over one connection; `clock` says the time, seconds since the epoch."""

    def __init__(self, connection: sqlite3.Connection, *, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._clock = clock

    def close(self) -> None:
        """Close the file; SQLite folds the write-ahead log into it."""
        self._connection.close()

    def copy(self, out: Path, *, between: Callable[[int, int, int], None]) -> None:
        """Copy the file page by page; writes made between two steps are in the copy too."""
        copy = sqlite3.connect(out)
        try:
            self._connection.backup(copy, pages=_BACKUP_PAGES, progress=between)
        finally:
            copy.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block has ended without an error.

        Raises:
            DowserError: STORAGE_FULL if the disk is full; nothing was changed.
        """
        with refusing_failed_writes("the ledger"):
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

    def add_campaign(self, id_: str, name: str, pool: str, seed: int, *, rounds: int = 0) -> CampaignRow:
        """Insert a campaign; id and name are known to be free."""
        now = self._clock()
        cursor = self._connection.execute(
            "INSERT INTO campaigns (id, name, pool, seed, create_time, rounds) VALUES (?, ?, ?, ?, ?, ?)",
            (id_, name, pool, _signed(seed), now, rounds),
        )
        key = cursor.lastrowid
        assert key is not None  # an INSERT that did not raise has one
        return CampaignRow(key=key, id=id_, name=name, pool=pool, seed=seed, create_time=now, rounds=rounds)

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
        now = self._clock()
        self.insert_labels(key, [replace(entry, record_time=now) for entry in labels])
        self.add_events(
            key,
            (
                LabelEvent(
                    change=Change.RECORDED,
                    pool_id=entry.pool_id,
                    label=entry.label,
                    annotator=entry.annotator,
                    time=now,
                )
                for entry in labels
            ),
        )
        self._connection.executemany(
            "DELETE FROM leases WHERE campaign = ? AND pool_id = ?",
            ((key, _signed(entry.pool_id)) for entry in labels),
        )

    def insert_labels(self, key: int, labels: Iterable[Label]) -> None:
        """Insert labels with their own times, and no history."""
        self._connection.executemany(
            "INSERT INTO labels (campaign, pool_id, label, annotator, record_time) VALUES (?, ?, ?, ?, ?)",
            ((key, _signed(each.pool_id), each.label, each.annotator, each.record_time) for each in labels),
        )

    def hold(self, key: int, pool_ids: UInt64Array, proposal: str, expire_time: float | None) -> None:
        """Insert the leases of a proposal, of no round yet."""
        now = self._clock()
        self._connection.executemany(
            "INSERT INTO leases (campaign, pool_id, round, lease_time, expire_time, proposal) "
            "VALUES (?, ?, 0, ?, ?, ?)",
            ((key, pool_id, now, expire_time, proposal) for pool_id in pool_ids.astype(np.int64).tolist()),
        )

    def held_ids(self, key: int, proposal: str) -> UInt64Array:
        """Return the pool ids [n] that a proposal holds, also lapsed ones, in no order; O(leases of the campaign)."""
        rows = self._connection.execute(
            "SELECT pool_id FROM leases WHERE campaign = ? AND proposal = ?", (key, proposal)
        ).fetchall()
        return np.array(rows, dtype=np.int64).reshape(-1).astype(np.uint64)

    def correct_labels(self, key: int, labels: Sequence[Label]) -> None:
        """Give labeled samples other labels."""
        now = self._clock()
        for entry in labels:
            previous = self.label_of(key, entry.pool_id)
            self._connection.execute(
                "UPDATE labels SET label = ?, annotator = ?, record_time = ? WHERE campaign = ? AND pool_id = ?",
                (entry.label, entry.annotator, now, key, _signed(entry.pool_id)),
            )
            event = LabelEvent(
                change=Change.CORRECTED,
                pool_id=entry.pool_id,
                label=entry.label,
                previous=previous,
                annotator=entry.annotator,
                time=now,
            )
            self.add_events(key, [event])

    def retract_labels(self, key: int, pool_ids: Sequence[int], annotator: str) -> None:
        """Delete the labels of labeled samples."""
        now = self._clock()
        for pool_id in pool_ids:
            previous = self.label_of(key, pool_id)
            self._connection.execute(
                "DELETE FROM labels WHERE campaign = ? AND pool_id = ?", (key, _signed(pool_id))
            )
            event = LabelEvent(
                change=Change.RETRACTED,
                pool_id=pool_id,
                label=None,
                previous=previous,
                annotator=annotator,
                time=now,
            )
            self.add_events(key, [event])

    def add_events(self, key: int, events: Iterable[LabelEvent]) -> None:
        """Append to a campaign's history of labels."""
        self._connection.executemany(
            "INSERT INTO label_events (campaign, change, pool_id, label, previous, annotator, time) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    key,
                    int(each.change),
                    _signed(each.pool_id),
                    each.label,
                    each.previous,
                    each.annotator,
                    each.time,
                )
                for each in events
            ),
        )

    def events_after(self, key: int, sequence: int, limit: int) -> list[tuple[int, LabelEvent]]:
        """Return up to `limit` (sequence, event) that happened after `sequence`."""
        rows = self._connection.execute(
            "SELECT sequence, change, pool_id, label, previous, annotator, time FROM label_events "
            "WHERE campaign = ? AND sequence > ? ORDER BY sequence LIMIT ?",
            (key, sequence, limit),
        )
        return [
            (
                number,
                LabelEvent(
                    change=Change(change),
                    pool_id=pool_id % 2**64,
                    label=label,
                    previous=previous,
                    annotator=annotator,
                    time=when,
                ),
            )
            for number, change, pool_id, label, previous, annotator, when in rows
        ]

    def add_round(
        self, key: int, round_: int, pool_ids: UInt64Array, request_id: str, expire_time: float | None
    ) -> None:
        """Insert a round and the leases it made."""
        now = self._clock()
        self.insert_rounds(key, [RoundInfo(round=round_, budget=len(pool_ids), time=now)], request_id)
        self._connection.execute("UPDATE campaigns SET rounds = ? WHERE key = ?", (round_, key))
        self.insert_leases(
            key,
            (
                LeaseTerm(pool_id=pool_id, round=round_, lease_time=now, expire_time=expire_time)
                for pool_id in pool_ids.tolist()
            ),
        )

    def insert_rounds(self, key: int, rounds: Iterable[RoundInfo], request_id: str = "") -> None:
        """Insert rounds."""
        self._connection.executemany(
            "INSERT INTO rounds (campaign, round, budget, request_id, time) VALUES (?, ?, ?, ?, ?)",
            ((key, each.round, each.budget, request_id, each.time) for each in rounds),
        )

    def insert_leases(self, key: int, leases: Iterable[LeaseTerm]) -> None:
        """Insert leases of free samples."""
        self._connection.executemany(
            "INSERT INTO leases (campaign, pool_id, round, lease_time, expire_time) VALUES (?, ?, ?, ?, ?)",
            ((key, _signed(each.pool_id), each.round, each.lease_time, each.expire_time) for each in leases),
        )

    def rounds(self, key: int) -> tuple[RoundInfo, ...]:
        """Return a campaign's rounds in their order."""
        rows = self._connection.execute(
            "SELECT round, budget, time FROM rounds WHERE campaign = ? ORDER BY round", (key,)
        )
        return tuple(RoundInfo(round=round_, budget=budget, time=when) for round_, budget, when in rows)

    def leases(self, key: int) -> list[LeaseTerm]:
        """Return a campaign's leases, those that have lapsed included, in no order."""
        rows = self._connection.execute(
            "SELECT pool_id, round, lease_time, expire_time FROM leases WHERE campaign = ?", (key,)
        )
        return [
            LeaseTerm(pool_id=pool_id % 2**64, round=round_, lease_time=leased, expire_time=expires)
            for pool_id, round_, leased, expires in rows
        ]

    def extend_leases(self, key: int, pool_ids: Iterable[int], expire_time: float | None) -> None:
        """Let leases end at a time (None: never), unless they end later already."""
        self._connection.executemany(
            "UPDATE leases SET expire_time = ?1 WHERE campaign = ?2 AND pool_id = ?3 "
            "AND (?1 IS NULL OR expire_time < ?1)",
            ((expire_time, key, _signed(pool_id)) for pool_id in pool_ids),
        )

    def lapsed_ids(self, key: int, now: float) -> UInt64Array:
        """Return the ids whose leases have ended by `now`, uint64 [n], in no order."""
        rows = self._connection.execute(
            "SELECT pool_id FROM leases WHERE campaign = ? AND expire_time <= ?", (key, now)
        ).fetchall()
        return np.array(rows, dtype=np.int64).reshape(-1).astype(np.uint64)

    def next_expiry(self, key: int, after: float = -1.0) -> float | None:
        """Return when the first lease that ends after a time does; None where none does."""
        row = self._connection.execute(
            "SELECT min(expire_time) FROM leases WHERE campaign = ? AND expire_time > ?", (key, after)
        ).fetchone()
        return None if row[0] is None else float(row[0])

    def delete_lapsed(self, key: int, now: float) -> None:
        """Delete the leases that have ended by `now`."""
        self._connection.execute("DELETE FROM leases WHERE campaign = ? AND expire_time <= ?", (key, now))

    def remember(self, key: int, memory: bytes) -> None:
        """Replace a campaign's memory."""
        self._connection.execute("UPDATE campaigns SET memory = ? WHERE key = ?", (memory, key))

    def delete_leases(self, key: int, pool_ids: UInt64Array) -> None:
        """Delete the leases of the given samples."""
        self._connection.executemany(
            "DELETE FROM leases WHERE campaign = ? AND pool_id = ?",
            ((key, pool_id) for pool_id in pool_ids.astype(np.int64).tolist()),
        )

    def delete_answers(self, before: float, limit: int) -> int:
        """Delete up to `limit` stored answers from before a time; returns how many there were."""
        cursor = self._connection.execute(
            "DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE time < ? LIMIT ?)",
            (before, limit),
        )
        return cursor.rowcount

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
            (request.id, campaign, request.method, request.fingerprint, answer, self._clock()),
        )


def _signed(value: int) -> int:
    """Return the signed 64-bit integer with the bits of a uint64."""
    return value - 2**64 if value >= 2**63 else value
