"""What was added to a pool and removed from it since its index was built: on disk before anyone is answered.

A directory of its own, so that an index directory never changes:

    journal.sqlite      ids of what was added and removed, how many rows count, the index version, answered request ids,
                        and what was compacted
    samples.bin         the raw samples added, in order; absent where the pool keeps none
    features-G.bin      their features, G growing with every change of encoder
    samples-G.bin       in place of samples.bin after a compaction, which also begins new features
    index-V             what the pool held at version V, as an index; see `compacted`

Rows are written and fsynced first; then one SQLite transaction makes them count, stores the new index version and the
answer. A crash before it leaves a tail that the next opening cuts off, so what is found is the old state or the new
one. The state is kept by pool ids, not by rows of an index, and outlives it.
"""

import contextlib
import hashlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.databases import open_database
from query_server.files import refusing_failed_writes
from query_server.pool.added_rows import AddedRows, MappedRows, Rows
from query_server.pool.answers import Answers, Write
from query_server.pool.compacted import Compacted, CompactedFolders
from query_server.pool.journal_head import Head, read_compacted, read_head, write_compacted, write_head
from query_server.pool.journal_schema import SCHEMA

DATABASE = "journal.sqlite"
UInt64Array = npt.NDArray[np.uint64]


class Journal:
    """The files of one pool's changes. Whoever uses it holds its lock; one process per directory.

    Attributes:
        directory: Where they are.
        files: The files of the added rows.
        answers: To the writes so far.
        folders: The compacted indexes beside them.
        lock: Held by whoever reads or writes.
        head: Where it stands; None before it was first served.
        compacted: The newest compaction; None before the first.
        owner: Who may write: the last to take it over.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection, *, answer_days: float) -> None:
        self.directory = directory
        self.files = AddedRows(directory)
        self.answers = Answers(connection, days=answer_days)
        self.folders = CompactedFolders(directory)
        self.lock = threading.Lock()
        self.owner: object = None
        self._connection = connection
        self.head = read_head(connection)
        self.compacted = read_compacted(connection)
        self.cut()

    @classmethod
    def open(cls, directory: Path, *, answer_days: float = 0.0) -> Self:
        """Open a journal, creating it where there is none, and cut off what a crash left half-written.

        Args:
            directory: Where its files are.
            answer_days: Answers older than this are forgotten; 0 keeps them for good.

        Raises:
            DowserError: CORRUPT_FILE (names the file), UNAVAILABLE (another process has it open) or STORAGE_FULL.
        """
        with refusing_failed_writes(str(directory / DATABASE)):
            connection = open_database(directory / DATABASE, SCHEMA)
        try:
            return cls(directory, connection, answer_days=answer_days)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the database; SQLite folds the write-ahead log into it."""
        self._connection.close()

    def added_ids(self) -> UInt64Array:
        """Return the ids of added rows in order, uint64 [n]."""
        return _ids(self._connection.execute("SELECT pool_id FROM additions ORDER BY row").fetchall())

    def removed_ids(self) -> UInt64Array:
        """Return the ids that were removed, uint64 [n], in no order."""
        return _ids(self._connection.execute("SELECT pool_id FROM removals").fetchall())

    def start(self, head: Head) -> None:
        """Begin, or go on beside another index or encoder: with no rows, or those that are there."""
        with self.transaction():
            write_head(self._connection, head)
        self.head = head

    def cut(self) -> None:
        """Cut off rows that were written and do not count."""
        if self.head is not None:
            self.files.settle(self.head)

    def add(
        self,
        head: Head,
        pool_ids: UInt64Array,
        samples: npt.NDArray[Any] | None,
        features: npt.NDArray[np.float32],
        write: Write,
        answer: Mapping[str, Any],
    ) -> None:
        """Make written rows count and store the answer; on disk when this returns.

        Raises:
            DowserError: STORAGE_FULL; then nothing changed.
        """
        first_row = head.rows - len(pool_ids)
        with self.transaction():
            self._count(
                first_row, pool_ids, None if samples is None else _sha256(samples), _sha256(features), head
            )
            write_head(self._connection, head)
            self.answers.keep(write, answer)
        self.head = head

    def remove(self, head: Head, pool_ids: UInt64Array, write: Write, answer: Mapping[str, int]) -> None:
        """Remove ids that are not removed yet and store the answer; on disk when this returns.

        Raises:
            DowserError: STORAGE_FULL; then nothing changed.
        """
        with self.transaction():
            now = time.time()
            self._connection.executemany(
                "INSERT INTO removals (pool_id, index_version, time) VALUES (?, ?, ?)",
                ((pool_id, head.index_version, now) for pool_id in pool_ids.astype(np.int64).tolist()),
            )
            write_head(self._connection, head)
            self.answers.keep(write, answer)
        self.head = head

    def go_over(
        self, head: Head, *, anew: Iterator[npt.NDArray[np.float32]] | None, carried: Iterator[Rows]
    ) -> None:
        """Go on beside another index, with more rows or other features, at once.

        Args:
            head: With the next generation where features are made anew, and with all rows.
            anew: Features [n, D] of each batch, in the order of `batches`; None keeps those there are.
            carried: Rows that follow.

        Raises:
            DowserError: STORAGE_FULL; then the old ones stand.
        """
        assert self.head is not None  # something was served before
        old = self.head
        first_row, hashes, counted = old.rows, [], []
        try:
            if anew is not None:
                self.files.features_file(head).path.unlink(missing_ok=True)  # of an attempt that did not end
                for (first, _), features in zip(self.batches(), anew, strict=True):
                    self.files.features_file(head).write(first, features)
                    hashes.append((_sha256(features), first))
            for rows in carried:
                self.files.write(rows.samples, rows.features, replace(head, rows=first_row))
                sample_hash = None if rows.samples is None else _sha256(rows.samples)
                counted.append((first_row, rows.ids, sample_hash, _sha256(rows.features), head))
                first_row += len(rows.ids)
            with self.transaction():
                self._connection.executemany(
                    "UPDATE batches SET features_sha256 = ? WHERE first_row = ?", hashes
                )
                for each in counted:
                    self._count(*each)
                write_head(self._connection, head)
        except BaseException:
            self.files.settle(old)
            raise
        self.head = head
        self.files.settle(head)

    def fold(self, head: Head, compacted: Compacted, *, rows: int, index_version: int) -> None:
        """Drop the first rows and the removals up to a version, which a compacted index stands for from now on.

        What was added since is written anew, so that the rows' space is given back; maps of the old files stay valid.

        Args:
            head: Beside the compacted index, with the rows that stay and both generations the next ones.
            compacted: What stands for the rest.
            rows: How many rows to drop; batches end there.
            index_version: Of the state that was compacted.

        Raises:
            DowserError: STORAGE_FULL; then the old state stands.
        """
        assert self.head is not None  # there was a state
        old = self.head
        features, samples = self.files.features(old), self.files.samples(old)
        try:
            for first, count in self.batches():
                if first >= rows:
                    part = slice(first, first + count)
                    self.files.write(
                        None if samples is None else samples[part],
                        features[part],
                        replace(head, rows=first - rows),
                    )
            with self.transaction():
                for table, column in (("batches", "first_row"), ("additions", "row")):
                    self._connection.execute(f"DELETE FROM {table} WHERE {column} < ?", (rows,))
                    # By way of negative numbers, so that no row takes the number of one that has not moved yet.
                    self._connection.execute(f"UPDATE {table} SET {column} = ? - {column}", (rows - 1,))
                    self._connection.execute(f"UPDATE {table} SET {column} = -1 - {column}")
                self._connection.execute("DELETE FROM removals WHERE index_version <= ?", (index_version,))
                write_compacted(self._connection, compacted)
                write_head(self._connection, head)
        except BaseException:
            self.files.settle(old)
            raise
        self.head, self.compacted = head, compacted
        self.files.settle(head)
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk only keeps the space
            self._connection.execute("VACUUM")

    def batches(self) -> list[tuple[int, int]]:
        """Return (first row, count) of each addition, in order."""
        return self._connection.execute("SELECT first_row, count FROM batches ORDER BY first_row").fetchall()

    def verify(self) -> None:
        """Compare every row with the hashes taken when it was added; reads all of them.

        Raises:
            DowserError: CORRUPT_FILE naming the file.
        """
        if self.head is None:
            return
        files = self.files.features_file(self.head), self.files.samples_file(self.head)
        mapped = [None if file is None else file.map(self.head.rows) for file in files]
        for first_row, count, samples_sha256, features_sha256 in self._connection.execute(
            "SELECT first_row, count, samples_sha256, features_sha256 FROM batches ORDER BY first_row"
        ):
            part = slice(first_row, first_row + count)
            for file, array, expected in zip(files, mapped, (features_sha256, samples_sha256), strict=True):
                if file is not None and array is not None and _sha256(array[part]) != expected:
                    raise errors.corrupt_file(
                        file.path,
                        f"rows {first_row} to {first_row + count - 1} are not what was added; restore the directory "
                        "from a backup",
                    )

    def copy_database(self, directory: Path) -> MappedRows:
        """Copy the database into a new directory; return the rows that it counts, to be copied without the lock.

        Raises:
            DowserError: STORAGE_FULL.
        """
        directory.mkdir(parents=True)
        with refusing_failed_writes(str(directory)):
            database = sqlite3.connect(directory / DATABASE)
            try:
                self._connection.backup(database)
            finally:
                database.close()
        return MappedRows() if self.head is None else self.files.mapped(self.head)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on disk when the block has ended without an error."""
        with refusing_failed_writes(str(self.directory / DATABASE)):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _count(
        self,
        first_row: int,
        pool_ids: UInt64Array,
        samples_sha256: str | None,
        features_sha256: str,
        head: Head,
    ) -> None:
        """Make written rows count, in a transaction."""
        self._connection.execute(
            "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)",
            (first_row, len(pool_ids), samples_sha256, features_sha256, head.index_version, time.time()),
        )
        self._connection.executemany(
            "INSERT INTO additions (row, pool_id) VALUES (?, ?)",
            enumerate(pool_ids.astype(np.int64).tolist(), first_row),
        )


def _sha256(values: npt.NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def _ids(rows: list[tuple[int]]) -> UInt64Array:
    return np.array(rows, dtype=np.int64).reshape(-1).astype(np.uint64)
