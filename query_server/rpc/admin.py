"""AdminService: reload, snapshot and compaction, beside the calls and never in their queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from grpc import aio

from dowser.v1 import admin_pb2, admin_pb2_grpc
from query_server.compaction import Compaction
from query_server.errors import pool_not_found
from query_server.rpc.work import Workers
from query_server.serving import Reloaded
from query_server.writes import check_request_id

_Context = aio.ServicerContext[Any, Any]


class Copied(Protocol):
    """What is told of a snapshot."""

    @property
    def files(self) -> int:
        """Files in it."""

    @property
    def size_bytes(self) -> int:
        """Their bytes."""

    @property
    def index_version(self) -> int:
        """The index version in it."""


#: Compacts the pool; the callable raises once the caller no longer waits.
Compact = Callable[[Callable[[str], None]], Compaction]
#: Makes a snapshot of a name for a request id; the callable raises once the caller no longer waits.
TakeSnapshot = Callable[[str, str, Callable[[str], None]], Copied]


class AdminServicer(admin_pb2_grpc.AdminServiceServicer):
    """Acts on the running server.

    Args:
        reload: Replaces what is served.
        snapshot: Copies it away.
        compact: Folds changes into a new index.
        pool_name: Of the pool that is served.
        workers: Runs them, few at a time.
    """

    def __init__(
        self,
        *,
        reload: Callable[[], Reloaded],
        snapshot: TakeSnapshot,
        compact: Compact,
        pool_name: str,
        workers: Workers,
    ) -> None:
        self._reload = reload
        self._snapshot = snapshot
        self._compact = compact
        self._pool_name = pool_name
        self._workers = workers

    async def Reload(self, request: admin_pb2.ReloadRequest, context: _Context) -> admin_pb2.ReloadResponse:
        """Serve what lies at the configured paths now."""
        done = await self._workers.run(context, lambda _: self._reload())
        return admin_pb2.ReloadResponse(
            pool=done.pool,
            size=done.size,
            bundle_digest=done.bundle_digest,
            index_digest=done.index_digest,
            index_version=done.index_version,
            previous_index_version=done.previous_index_version,
            seconds=done.seconds,
        )

    async def Snapshot(
        self, request: admin_pb2.SnapshotRequest, context: _Context
    ) -> admin_pb2.SnapshotResponse:
        """Copy bundle, index and state into the snapshots directory."""
        check_request_id(request.request_id)
        done = await self._workers.run(
            context, lambda waiting: self._snapshot(request.name, request.request_id, waiting.checkpoint)
        )
        return admin_pb2.SnapshotResponse(
            name=request.name,
            files=done.files,
            size_bytes=done.size_bytes,
            index_version=done.index_version,
        )

    async def CompactPool(
        self, request: admin_pb2.CompactPoolRequest, context: _Context
    ) -> admin_pb2.CompactPoolResponse:
        """Fold what was added and removed into a new index."""
        if request.pool not in ("", self._pool_name):
            raise pool_not_found(request.pool)
        done = await self._workers.run(context, lambda waiting: self._compact(waiting.checkpoint))
        return admin_pb2.CompactPoolResponse(
            pool=done.pool,
            size=done.size,
            index_version=done.index_version,
            compacted_index_version=done.compacted_index_version,
            added=done.added,
            removed=done.removed,
            seconds=done.seconds,
        )
