"""Answers to the writes of a pool by their request id, so that a write sent again changes nothing and is told the same.

They are kept for a time and up to a number, as each may name a hundred thousand ids.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from typing import Any, Protocol

from query_server import errors
from query_server.pool.id_sets import from_runs, to_runs

MOST = 100_000
"""Answers kept at most, the newest."""

_DAY_SECONDS = 86_400.0
# Answers are looked through this often for old ones, and so many are deleted in one write.
_PRUNE_SECONDS = 3600.0
_PRUNE_ROWS = 10_000


class Write(Protocol):
    """The identity of a write."""

    @property
    def id(self) -> str:
        """What the caller named it."""

    @property
    def method(self) -> str:
        """Which call it is."""

    @property
    def fingerprint(self) -> bytes:
        """A hash of all else it says."""


class Answers:
    """The answers in a journal's database. Whoever uses them holds the journal's lock.

    Args:
        connection: To the database.
        days: Older ones are forgotten; 0 keeps all of them for good.
        most: Kept at most, unless all are.
    """

    def __init__(self, connection: sqlite3.Connection, *, days: float = 0.0, most: int = MOST) -> None:
        self._connection = connection
        self._seconds = days * _DAY_SECONDS
        self._most = most
        self._next_prune = 0.0

    def find(self, write: Write) -> dict[str, Any] | None:
        """Return what a request was answered before, ids as an array uint64 [n].

        Raises:
            DowserError: REQUEST_ID_REUSED if the id was used for another request.
        """
        row = self._connection.execute(
            "SELECT method, fingerprint, answer FROM requests WHERE id = ?", (write.id,)
        ).fetchone()
        if row is None:
            return None
        if (row[0], row[1]) != (write.method, write.fingerprint):
            raise errors.request_id_reused(write.id)
        stored: dict[str, Any] = json.loads(row[2])
        return stored | {"ids": from_runs(stored["ids"])} if "ids" in stored else stored

    def keep(self, write: Write, answer: Mapping[str, Any]) -> None:
        """Store an answer, in a transaction, which also forgets old ones now and then."""
        now = time.time()
        if self._seconds and now >= self._next_prune:
            self._next_prune = now if self._forget(now - self._seconds) else now + _PRUNE_SECONDS
        told = dict(answer)
        if "ids" in told:
            told["ids"] = to_runs(told["ids"])
        self._connection.execute(
            "INSERT INTO requests (id, method, fingerprint, answer, time) VALUES (?, ?, ?, ?, ?)",
            (write.id, write.method, write.fingerprint, json.dumps(told), now),
        )

    def _forget(self, before: float) -> bool:
        """Delete answers from before a time and those too many; return whether there may be more of them.

        They lie in the order in which they were given, so that only what goes is read.
        """
        count = int(self._connection.execute("SELECT count(*) FROM requests").fetchone()[0])
        too_many = count + 1 - self._most
        oldest = self._connection.execute(
            "SELECT rowid, time FROM requests ORDER BY rowid LIMIT ?", (_PRUNE_ROWS,)
        )
        gone, last = 0, 0
        for rowid, when in oldest:
            if gone >= too_many and when >= before:
                break
            gone, last = gone + 1, rowid
        oldest.close()
        if gone:
            self._connection.execute("DELETE FROM requests WHERE rowid <= ?", (last,))
        return gone == _PRUNE_ROWS
