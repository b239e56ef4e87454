"""The tables of a live pool's journal and their version."""

from query_server.databases import Schema

VERSION = 2
_APPLICATION_ID = 0x446F776C  # "Dowl", so that another program's database is recognized as such

# pool_id is uint64 and stored as the signed integer of the same 64 bits (SQLite has no other).
_COMPACTION = """
CREATE TABLE compaction (
    key      INTEGER PRIMARY KEY CHECK (key = 0),
    folder   TEXT NOT NULL,
    identity TEXT NOT NULL,
    source   TEXT NOT NULL,
    encoder  TEXT NOT NULL,
    folded   BLOB NOT NULL,
    retired  BLOB NOT NULL
) STRICT;
"""
_TABLES = f"""
CREATE TABLE pool (
    key                INTEGER PRIMARY KEY CHECK (key = 0),
    index_version      INTEGER NOT NULL,
    rows               INTEGER NOT NULL,
    base               TEXT NOT NULL,
    encoder            TEXT NOT NULL,
    generation         INTEGER NOT NULL,
    raw_shape          TEXT,
    raw_dtype          TEXT,
    feature_dim        INTEGER NOT NULL,
    samples_generation INTEGER NOT NULL DEFAULT 0
) STRICT;
{_COMPACTION}
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
# Answers named rows, which a compaction drops, and name runs of ids since.
_TO_COMPACTION = f"""
ALTER TABLE pool ADD COLUMN samples_generation INTEGER NOT NULL DEFAULT 0;
{_COMPACTION}
UPDATE requests SET answer = json_set(
    json_remove(answer, '$.first_row', '$.count'),
    '$.ids',
    json((
        SELECT json_group_array(json_array(pool_id, 1)) FROM (
            SELECT pool_id FROM additions
            WHERE row >= json_extract(requests.answer, '$.first_row')
              AND row < json_extract(requests.answer, '$.first_row') + json_extract(requests.answer, '$.count')
            ORDER BY row
        )
    ))
) WHERE json_extract(answer, '$.first_row') IS NOT NULL;
"""

SCHEMA = Schema(
    kind="journal of a pool",
    application_id=_APPLICATION_ID,
    version=VERSION,
    tables=_TABLES,
    migrations={2: _TO_COMPACTION},
)
