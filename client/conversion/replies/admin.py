"""Answers of AdminService."""

from __future__ import annotations

from client.types.admin import Compacted, Reloaded, SnapshotInfo
from dowser.v1 import admin_pb2


def reloaded(reply: admin_pb2.ReloadResponse) -> Reloaded:
    """Read what is served after a reload."""
    return Reloaded(
        pool=reply.pool,
        size=reply.size,
        bundle_digest=reply.bundle_digest,
        index_digest=reply.index_digest,
        index_version=reply.index_version,
        previous_index_version=reply.previous_index_version,
        seconds=reply.seconds,
    )


def compacted(reply: admin_pb2.CompactPoolResponse) -> Compacted:
    """Read what a compaction did."""
    return Compacted(
        pool=reply.pool,
        size=reply.size,
        index_version=reply.index_version,
        compacted_index_version=reply.compacted_index_version,
        added=reply.added,
        removed=reply.removed,
        seconds=reply.seconds,
    )


def snapshot(reply: admin_pb2.SnapshotResponse) -> SnapshotInfo:
    """Read what a snapshot holds."""
    return SnapshotInfo(
        name=reply.name, files=reply.files, size_bytes=reply.size_bytes, index_version=reply.index_version
    )
