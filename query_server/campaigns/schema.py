"""The ledger's file: its tables, its durability settings and its version.

SQLite in WAL mode with synchronous=FULL: a commit returns after its fsync, so what was acknowledged survives
kill -9 and power loss. The file is locked exclusively: two servers on one ledger would hand out the same ids.
"""

import sqlite3
from pathlib import Path

from query_server import errors

VERSION = 3
APPLICATION_ID = 0x446F7773  # "Dows", so that another program's database is recognized as such

# leases.proposal is the request id of the proposal that holds a candidate until its commit, '' once it was selected.
# pool_id and seed are uint64 on the wire and stored as the signed integer of the same 64 bits (SQLite has no
# other).
_TABLES = """
CREATE TABLE campaigns (
    key         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL UNIQUE,
    pool        TEXT NOT NULL,
    seed        INTEGER NOT NULL,
    create_time REAL NOT NULL,
    rounds      INTEGER NOT NULL DEFAULT 0,
    memory      BLOB NOT NULL DEFAULT x''
) STRICT;
CREATE TABLE labels (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign    INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    pool_id     INTEGER NOT NULL,
    label       INTEGER NOT NULL,
    annotator   TEXT NOT NULL,
    record_time REAL NOT NULL,
    UNIQUE (campaign, pool_id)
) STRICT;
CREATE INDEX labels_in_order ON labels (campaign, sequence);
CREATE TABLE leases (
    campaign    INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    pool_id     INTEGER NOT NULL,
    round       INTEGER NOT NULL,
    lease_time  REAL NOT NULL,
    expire_time REAL,
    proposal    TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (campaign, pool_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE rounds (
    campaign    INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    round       INTEGER NOT NULL,
    budget      INTEGER NOT NULL,
    request_id  TEXT NOT NULL,
    time        REAL NOT NULL,
    PRIMARY KEY (campaign, round)
) STRICT, WITHOUT ROWID;
CREATE TABLE requests (
    id          TEXT PRIMARY KEY,
    campaign    INTEGER REFERENCES campaigns(key) ON DELETE CASCADE,
    method      TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    answer      BLOB NOT NULL,
    time        REAL NOT NULL
) STRICT;
CREATE INDEX requests_of_campaign ON requests (campaign);
"""

# Since version 3. `labels` holds what is true now; `label_events` all that was ever said, and is only added to.
_EVENTS = """
CREATE TABLE label_events (
    sequence    INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign    INTEGER NOT NULL REFERENCES campaigns(key) ON DELETE CASCADE,
    change      INTEGER NOT NULL,
    pool_id     INTEGER NOT NULL,
    label       INTEGER,
    previous    INTEGER,
    annotator   TEXT NOT NULL,
    time        REAL NOT NULL
) STRICT;
CREATE INDEX label_events_in_order ON label_events (campaign, sequence);
CREATE INDEX leases_that_end ON leases (campaign, expire_time) WHERE expire_time IS NOT NULL;
CREATE INDEX requests_by_time ON requests (time);
"""

# What brings a ledger of the version before up to the one named.
_MIGRATIONS = {
    2: "ALTER TABLE campaigns ADD COLUMN memory BLOB NOT NULL DEFAULT x'';",
    3: f"""
ALTER TABLE leases ADD COLUMN expire_time REAL;
ALTER TABLE leases ADD COLUMN proposal TEXT NOT NULL DEFAULT '';
{_EVENTS}
INSERT INTO label_events (campaign, change, pool_id, label, annotator, time)
    SELECT campaign, 1, pool_id, label, annotator, record_time FROM labels ORDER BY sequence;
""",
}


def open_ledger(path: Path) -> sqlite3.Connection:
    """Open the ledger file, creating it where there is none.

    Raises:
        DowserError: CORRUPT_FILE if the file is no ledger, is damaged or is of a newer version; UNAVAILABLE
            if another process has it open.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The store's lock serializes all use, which is what makes sharing the connection between threads right.
    connection = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        _bring_up(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise errors.unavailable(
                f"{path}: another process has this ledger open; stop it or name another file"
            ) from error
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise errors.corrupt_file(
            path, f"not a readable ledger ({error}); restore it from a backup"
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
            f"BEGIN IMMEDIATE; {_TABLES} {_EVENTS} PRAGMA application_id = {APPLICATION_ID}; "
            f"PRAGMA user_version = {VERSION}; COMMIT;"
        )
    elif application_id != APPLICATION_ID or version == 0:
        raise errors.corrupt_file(path, "a database of another program; name another file for the ledger")
    elif version > VERSION:
        raise errors.corrupt_file(
            path, f"ledger version {version}, this server knows up to {VERSION}; upgrade the server"
        )
    elif version < VERSION:
        steps = " ".join(_MIGRATIONS[each] for each in range(version + 1, VERSION + 1))
        connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version = {VERSION}; COMMIT;")
    else:
        # A write transaction takes the exclusive lock now and not at the first call.
        connection.executescript("BEGIN IMMEDIATE; COMMIT;")
