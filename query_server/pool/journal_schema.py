"""The journal's database: its tables, its durability settings and its version.

SQLite in WAL mode with synchronous=FULL, locked exclusively, as the campaigns' ledger is.
"""

import sqlite3
from pathlib import Path

from query_server import errors

VERSION = 1
_APPLICATION_ID = 0x446F776C  # "Dowl", so that another program's database is recognized as such

# pool_id is uint64 and stored as the signed integer of the same 64 bits (SQLite has no other).
_TABLES = """
CREATE TABLE pool (
    key           INTEGER PRIMARY KEY CHECK (key = 0),
    index_version INTEGER NOT NULL,
    rows          INTEGER NOT NULL,
    base          TEXT NOT NULL,
    encoder       TEXT NOT NULL,
    generation    INTEGER NOT NULL,
    raw_shape     TEXT,
    raw_dtype     TEXT,
    feature_dim   INTEGER NOT NULL
) STRICT;
CREATE TABLE batches (
    first_row       INTEGER PRIMARY KEY,
    count           INTEGER NOT NULL,
    samples_sha256  TEXT,
    features_sha256 TEXT NOT NULL,
    index_version   INTEGER NOT NULL,
    time            REAL NOT NULL
) STRICT;
CREATE TABLE additions (
    row     INTEGER PRIMARY KEY,
    pool_id INTEGER NOT NULL UNIQUE
) STRICT;
CREATE TABLE removals (
    pool_id       INTEGER PRIMARY KEY,
    index_version INTEGER NOT NULL,
    time          REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
    id          TEXT PRIMARY KEY,
    method      TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer      TEXT NOT NULL,
    time        REAL NOT NULL
) STRICT;
"""


def open_database(path: Path) -> sqlite3.Connection:
    """Open a journal's database, creating it where there is none.

    Raises:
        DowserError: CORRUPT_FILE if the file is no journal, is damaged or is of a newer version; UNAVAILABLE if another
            process has it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The journal's lock serializes all use, which is what makes sharing the connection between threads right.
    connection = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _bring_up(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise errors.unavailable(
                f"{path}: another process has this pool's journal open; stop it or name another --state"
            ) from error
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise errors.corrupt_file(
            path, f"not a readable journal ({error}); restore its directory from a backup"
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _bring_up(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    if version == 0 and tables == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id = {_APPLICATION_ID}; "
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif application_id != _APPLICATION_ID or version == 0:
        raise errors.corrupt_file(path, "a database of another program; move it away or name another --state")
    elif version > VERSION:
        raise errors.corrupt_file(
            path, f"journal version {version}, this server knows up to {VERSION}; upgrade the server"
        )
    else:
        # A write transaction takes the exclusive lock now and not at the first call.
        connection.executescript("BEGIN IMMEDIATE; COMMIT;")
