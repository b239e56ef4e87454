"""What a server's administrator is answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """What a server serves after a reload.

    Attributes:
        pool: The pool's name.
        size: How many samples it holds.
        bundle_digest: sha256 of the bundle's manifest, hexadecimal.
        index_digest: sha256 of the index's manifest, hexadecimal.
        index_version: Served now.
        previous_index_version: Served before.
        seconds: Spent opening and verifying.
    """

    pool: str
    size: int
    bundle_digest: str
    index_digest: str
    index_version: int
    previous_index_version: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What a compaction did.

    Attributes:
        pool: The pool's name.
        size: How many samples it holds.
        index_version: Served now.
        compacted_index_version: The one that was compacted; the same where nothing had changed.
        added: Samples that were searched beside the index and are in it now.
        removed: Removed samples that the files still held and the new ones do not.
        seconds: It took.
    """

    pool: str
    size: int
    index_version: int
    compacted_index_version: int
    added: int
    removed: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class SnapshotInfo:
    """A snapshot in the server's snapshots directory.

    Attributes:
        name: Its name there.
        files: Files in it.
        size_bytes: Their bytes together.
        index_version: The index version it holds.
    """

    name: str
    files: int
    size_bytes: int
    index_version: int
