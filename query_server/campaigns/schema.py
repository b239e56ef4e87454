"""The ledger's tables and their version."""

import sqlite3
from pathlib import Path

from query_server.databases import Schema, open_database

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


SCHEMA = Schema(
    kind="ledger",
    application_id=APPLICATION_ID,
    version=VERSION,
    tables=f"{_TABLES} {_EVENTS}",
    migrations=_MIGRATIONS,
)


def open_ledger(path: Path) -> sqlite3.Connection:
    """Open the ledger file, creating it where there is none.

    Raises:
        DowserError: CORRUPT_FILE or UNAVAILABLE, as `open_database` says.
    """
    return open_database(path, SCHEMA)
