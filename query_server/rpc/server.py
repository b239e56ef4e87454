"""The server's lifecycle: services, health, reflection, message limits, and a drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dowser.v1 import (
    campaigns_pb2,
    campaigns_pb2_grpc,
    classifiers_pb2,
    classifiers_pb2_grpc,
    pools_pb2,
    pools_pb2_grpc,
    selection_pb2,
    selection_pb2_grpc,
)
from query_server.errors import unavailable
from query_server.rpc.campaigns import CampaignServicer
from query_server.rpc.classifiers import ClassifierServicer
from query_server.rpc.pools import PoolServicer
from query_server.rpc.selection import SelectionServicer

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Services:
    """The servicers of one server."""

    pools: PoolServicer
    campaigns: CampaignServicer
    classifiers: ClassifierServicer
    selection: SelectionServicer


class RpcServer:
    """A gRPC server around the services.

    Args:
        services: What it serves.
        address: Where it listens, for example ``"127.0.0.1:50051"``; port 0 picks a free one.
        interceptors: The outermost first.
        max_message_bytes: Largest message either way.
        grace_seconds: How long calls under way may take after SIGTERM.
        on_drain: Called once no more requests should come.
    """

    def __init__(
        self,
        services: Services,
        *,
        address: str,
        interceptors: Sequence[aio.ServerInterceptor],
        max_message_bytes: int,
        grace_seconds: float,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        self._on_drain = on_drain
        self._grace_seconds = grace_seconds
        self._health = health.aio.HealthServicer()
        self._server = aio.server(
            interceptors=tuple(interceptors),
            options=(
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.so_reuseport", 0),
            ),
        )
        pools_pb2_grpc.add_PoolServiceServicer_to_server(services.pools, self._server)
        campaigns_pb2_grpc.add_CampaignServiceServicer_to_server(services.campaigns, self._server)
        classifiers_pb2_grpc.add_ClassifierServiceServicer_to_server(services.classifiers, self._server)
        selection_pb2_grpc.add_SelectionServiceServicer_to_server(services.selection, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = (
            pools_pb2.DESCRIPTOR.services_by_name["PoolService"].full_name,
            campaigns_pb2.DESCRIPTOR.services_by_name["CampaignService"].full_name,
            classifiers_pb2.DESCRIPTOR.services_by_name["ClassifierService"].full_name,
            selection_pb2.DESCRIPTOR.services_by_name["SelectionService"].full_name,
        )
        reflection.enable_server_reflection(
            (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server
        )
        self._address = address
        self.port = 0

    async def start(self) -> None:
        """Listen and report healthy.

        Raises:
            DowserError: UNAVAILABLE if the address cannot be bound.
        """
        try:
            self.port = self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise unavailable(f"cannot listen on {self._address}: {error}; choose another --port") from None
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT, then refuse new calls and let those under way end."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        self._on_drain()
        _LOG.info("draining for at most %g s", self._grace_seconds)
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._grace_seconds)
