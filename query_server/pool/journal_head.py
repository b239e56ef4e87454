"""Where a journal stands, and what of it was compacted: read from its database and written to it."""

import json
import sqlite3
from dataclasses import dataclass, replace

from pyroaring import BitMap64

from query_server.pool.compacted import Compacted


@dataclass(frozen=True, kw_only=True)
class Head:
    """Where a journal stands.

    Attributes:
        index_version: Of the newest visible state.
        rows: Added rows that count, A.
        base: Identifies the index it was last served beside.
        encoder: Identifies the encoder of the features.
        generation: G of the features' file.
        raw_shape: Of one raw sample; None where no raw samples are kept.
        raw_dtype: Of raw samples, likewise.
        feature_dim: D.
        samples_generation: Of the samples' file, whose name has none at 0.
    """

    index_version: int
    rows: int
    base: str
    encoder: str
    generation: int
    raw_shape: tuple[int, ...] | None
    raw_dtype: str | None
    feature_dim: int
    samples_generation: int = 0


def read_head(connection: sqlite3.Connection) -> Head | None:
    """Read where a journal stands; None before it was first served."""
    row = connection.execute(
        "SELECT index_version, rows, base, encoder, generation, raw_shape, raw_dtype, feature_dim, "
        "samples_generation FROM pool"
    ).fetchone()
    if row is None:
        return None
    head = Head(**dict(zip(Head.__dataclass_fields__, row, strict=True)))
    return replace(head, raw_shape=None if row[5] is None else tuple(json.loads(row[5])))


def write_head(connection: sqlite3.Connection, head: Head) -> None:
    """Write where a journal stands, in a transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO pool (key, index_version, rows, base, encoder, generation, raw_shape, raw_dtype, "
        "feature_dim, samples_generation) VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            head.index_version,
            head.rows,
            head.base,
            head.encoder,
            head.generation,
            None if head.raw_shape is None else json.dumps(head.raw_shape),
            head.raw_dtype,
            head.feature_dim,
            head.samples_generation,
        ),
    )


def read_compacted(connection: sqlite3.Connection) -> Compacted | None:
    """Read what was compacted; None before the first time."""
    row = connection.execute(
        "SELECT folder, identity, source, encoder, folded, retired FROM compaction"
    ).fetchone()
    if row is None:
        return None
    found = Compacted(**dict(zip(Compacted.__dataclass_fields__, row, strict=True)))
    return replace(found, folded=BitMap64.deserialize(row[4]), retired=BitMap64.deserialize(row[5]))


def write_compacted(connection: sqlite3.Connection, compacted: Compacted) -> None:
    """Write what was compacted, in a transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO compaction (key, folder, identity, source, encoder, folded, retired) "
        "VALUES (0, ?, ?, ?, ?, ?, ?)",
        (
            compacted.folder,
            compacted.identity,
            compacted.source,
            compacted.encoder,
            compacted.folded.serialize(),
            compacted.retired.serialize(),
        ),
    )
