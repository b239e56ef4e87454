"""SQLite files of a server that does not run: copied as of one moment, checked, and refused while one runs."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from query_server.errors import corrupt_file, unavailable
from query_server.files import sync

SUFFIX = ".sqlite"
#: What SQLite keeps beside a database while it is open; a copy made by its backup needs none of them.
BESIDE = ("-wal", "-shm", "-journal")


def copy_database(source: Path, out: Path) -> None:
    """Copy a database that no process has open, its write-ahead log folded in; on disk when this returns.

    Raises:
        DowserError: UNAVAILABLE if a server has it open, CORRUPT_FILE if it cannot be read.
    """
    with _opened(source) as connection, _closing(sqlite3.connect(out)) as copy:
        connection.backup(copy)
    sync(out)


def refuse_in_use(path: Path) -> None:
    """Raise UNAVAILABLE if a server has a database open; does nothing where there is none."""
    if path.exists():
        with _opened(path):
            pass


def database_problem(
    path: Path, *, application_id: int | None = None, version: int | None = None
) -> str | None:
    """Return what is wrong with a database, None where nothing is. Reads all of it.

    Args:
        path: The file.
        application_id: What it must carry.
        version: The newest schema version this server knows.
    """
    try:
        with _opened(path) as connection:
            found = int(connection.execute("PRAGMA application_id").fetchone()[0])
            if application_id is not None and found != application_id:
                return "a database of another program"
            found = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version is not None and not 1 <= found <= version:
                return f"schema version {found}, this server knows 1 to {version}"
            problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
            if problems != ["ok"]:
                return f"SQLite's integrity check says: {'; '.join(problems)}"
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            return f"{len(orphans)} rows refer to rows that are not there" if orphans else None
    except sqlite3.Error as error:
        return f"not readable ({error})"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database exclusively, so that no second server starts on it meanwhile."""
    # Where nothing can be written nobody has it open for writing; SQLite would still try to lock it.
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    uri = f"{path.absolute().as_uri()}?{'mode=rw' if writable else 'immutable=1'}"
    with _closing(sqlite3.connect(uri, uri=True, timeout=0.5, isolation_level=None)) as connection:
        try:
            if writable:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
                connection.execute("BEGIN EXCLUSIVE")
                connection.execute("COMMIT")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise unavailable(
                    f"{path}: a running server has it open; stop the server, or ask it for a snapshot with "
                    "dowser admin snapshot"
                ) from error
            raise corrupt_file(path, f"not readable ({error}); restore it from a snapshot") from error
        except sqlite3.DatabaseError as error:
            raise corrupt_file(path, f"not readable ({error}); restore it from a snapshot") from error
        yield connection


@contextmanager
def _closing(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        yield connection
    finally:
        connection.close()
