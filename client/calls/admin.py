"""What the server's administrator does; blocking and as coroutines."""

from __future__ import annotations

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import admin as requests
from client.types.admin import Compacted, Reloaded, SnapshotInfo


class AdminCalls(Calls):
    """What the server's administrator does."""

    def reload(self) -> Reloaded:
        """Have the server open its bundle and index anew and serve them; a bad new one is refused, the old goes on."""
        return self._send(requests.reload())

    def compact_pool(self, *, pool: str = "") -> Compacted:
        """Have the server fold what was added and removed into a new index, and wait until it serves it.

        For a large pool that takes minutes; where the timeout is shorter the server goes on without its caller.

        Args:
            pool: Its name; empty means the one that is served.
        """
        return self._send(requests.compact_pool(pool))

    def snapshot(self, name: str, *, request_id: str | None = None) -> SnapshotInfo:
        """Have the server copy bundle, index and state into its snapshots directory.

        Args:
            name: Of the copy there; one that ends in ".tar" makes one file, any other a directory.
            request_id: Names this snapshot: sent again, it returns the same answer. None makes one.
        """
        return self._send(requests.snapshot(name, request_id=request_id))


class AsyncAdminCalls(AsyncCalls):
    """The same as coroutines."""

    async def reload(self) -> Reloaded:
        """Have the server open its bundle and index anew and serve them; a bad new one is refused, the old goes on."""
        return await self._send(requests.reload())

    async def compact_pool(self, *, pool: str = "") -> Compacted:
        """Have the server fold what was added and removed into a new index, and wait until it serves it.

        For a large pool that takes minutes; where the timeout is shorter the server goes on without its caller.

        Args:
            pool: Its name; empty means the one that is served.
        """
        return await self._send(requests.compact_pool(pool))

    async def snapshot(self, name: str, *, request_id: str | None = None) -> SnapshotInfo:
        """Have the server copy bundle, index and state into its snapshots directory.

        Args:
            name: Of the copy there; one that ends in ".tar" makes one file, any other a directory.
            request_id: Names this snapshot: sent again, it returns the same answer. None makes one.
        """
        return await self._send(requests.snapshot(name, request_id=request_id))
