"""The tables of a live pool's journal and their version."""

from query_server.databases import Schema

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


SCHEMA = Schema(kind="journal of a pool", application_id=_APPLICATION_ID, version=VERSION, tables=_TABLES)
