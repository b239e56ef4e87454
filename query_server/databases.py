"""SQLite files that keep what was acknowledged: how they are opened, versioned and locked; a leaf.

WAL mode with synchronous=FULL: a commit returns after its fsync, so what was acknowledged survives kill -9 and power
loss. A file is locked exclusively: two servers on one would hand out the same ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from query_server import errors


@dataclass(frozen=True, kw_only=True)
class Schema:
    """What a database must be.

    Attributes:
        kind: What it is called in messages, for example "ledger".
        application_id: Tells it from another program's database.
        version: Of its tables, from 1.
        tables: SQL that makes them.
        migrations: {version: SQL that brings a file of the version before up to it}.
    """

    kind: str
    application_id: int
    version: int
    tables: str
    migrations: Mapping[int, str] = field(default_factory=dict)


def open_database(path: Path, schema: Schema) -> sqlite3.Connection:
    """Open a database, creating it where there is none and migrating an older one.

    Its user must serialize all use with a lock: the connection is shared between threads.

    Raises:
        DowserError: CORRUPT_FILE if it is another program's, damaged or of a newer version; UNAVAILABLE if another
            process has it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _bring_up(connection, path, schema)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise errors.unavailable(
                f"{path}: another process has this {schema.kind} open; stop it or name another --state"
            ) from error
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise errors.corrupt_file(
            path, f"not a readable {schema.kind} ({error}); restore it from a backup"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if version == 0 and tables == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {schema.tables} PRAGMA application_id = {schema.application_id}; "
            f"PRAGMA user_version = {schema.version}; COMMIT;"
        )
    elif application_id != schema.application_id or version == 0:
        raise errors.corrupt_file(path, "a database of another program; move it away or name another --state")
    elif version > schema.version:
        raise errors.corrupt_file(
            path,
            f"{schema.kind} version {version}, this server knows up to {schema.version}; upgrade the server",
        )
    elif version < schema.version:
        steps = " ".join(schema.migrations[each] for each in range(version + 1, schema.version + 1))
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {schema.version}; COMMIT;")
    else:
        # A write transaction takes the exclusive lock now and not at the first call.
        connection.executescript("BEGIN IMMEDIATE; COMMIT;")
