"""Health as orchestrators ask for it: is the process alive, and shall it be sent calls.

"liveness" is SERVING as long as the event loop answers. "readiness", the empty name and every service's name are
SERVING from the moment calls are taken until the drain begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from grpc import aio
from grpc_health.v1 import health, health_pb2

LIVENESS = "liveness"
READINESS = "readiness"
_LAST_WORD_SECONDS = 0.5
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Health(health.aio.HealthServicer):  # type: ignore[misc]  # the package is untyped
    """The health service of one server; made inside its event loop.

    Args:
        services: Full names of what it answers for besides the two.
    """

    def __init__(self, services: Sequence[str]) -> None:
        super().__init__()
        self._names = ("", READINESS, *services)
        self._draining = asyncio.Event()

    async def starting(self) -> None:
        """Alive and not ready."""
        await self.set(LIVENESS, _SERVING)
        for name in self._names:
            await self.set(name, _NOT_SERVING)

    async def ready(self) -> None:
        """Ready."""
        for name in self._names:
            await self.set(name, _SERVING)

    async def draining(self) -> None:
        """Not ready any more; those who watch are told so and their calls end, or the drain would wait for them."""
        for name in self._names:
            await self.set(name, _NOT_SERVING)
        self._draining.set()

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: aio.ServicerContext[Any, Any]
    ) -> None:
        """Tell of every change until the drain."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((watching, draining), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((watching,), timeout=_LAST_WORD_SECONDS)
        finally:
            watching.cancel()
            draining.cancel()
