"""The gate every call passes first: open while the server serves, closed once it drains.

gRPC's own shutdown ends calls that have arrived and were not picked up yet with CANCELLED, which tells a caller
nothing. So the gate is closed first, refuses what arrives with UNAVAILABLE, and gRPC is shut down when what had arrived
is through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc import aio
from grpc_status import rpc_status

from query_server.errors import unavailable
from query_server.rpc.handlers import with_behavior
from query_server.rpc.status import to_status

_OURS = "/dowser."
_RETRY_AFTER_SECONDS = 1.0


class Gate(aio.ServerInterceptor):
    """Refuses the project's own calls once closed; health and reflection go on."""

    def __init__(self) -> None:
        self._closed = False

    def close(self) -> None:
        """Refuse calls from now on; those under way are not touched."""
        self._closed = True

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Let a call through, or put a refusal in the place of its handler."""
        handler = await continuation(handler_call_details)
        if handler is None or not self._closed or not str(handler_call_details.method).startswith(_OURS):
            return handler
        return with_behavior(handler, _refuse)


async def _refuse(_: Any, context: aio.ServicerContext[Any, Any]) -> None:
    error = unavailable("the server is shutting down; try again, or another one", _RETRY_AFTER_SECONDS)
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
