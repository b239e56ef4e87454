"""Calls of AdminService."""

from __future__ import annotations

from client.conversion import fields
from client.conversion.call import Call, unary
from client.conversion.replies import admin as replies
from client.types.admin import Compacted, Reloaded, SnapshotInfo
from dowser.v1 import admin_pb2


def reload() -> Call[Reloaded]:
    """AdminService.Reload."""
    return unary("AdminService/Reload", admin_pb2.ReloadRequest(), admin_pb2.ReloadResponse, replies.reloaded)


def compact_pool(pool: str) -> Call[Compacted]:
    """AdminService.CompactPool."""
    request = fields.build(admin_pb2.CompactPoolRequest, pool=pool)
    return unary("AdminService/CompactPool", request, admin_pb2.CompactPoolResponse, replies.compacted)


def snapshot(name: str, *, request_id: str | None) -> Call[SnapshotInfo]:
    """AdminService.Snapshot."""
    request = fields.build(admin_pb2.SnapshotRequest, request_id=fields.request_id(request_id), name=name)
    return unary("AdminService/Snapshot", request, admin_pb2.SnapshotResponse, replies.snapshot)
