"""The server's lifecycle: services, health, reflection, message limits, and a drain on SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
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
from query_server.rpc.status import ErrorInterceptor

_LOG = logging.getLogger(__name__)
# Calls on a connection that reached its age may take this long at least.
_CONNECTION_GRACE_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """The servicers of one server."""

    pools: PoolServicer
    campaigns: CampaignServicer
    classifiers: ClassifierServicer
    selection: SelectionServicer


@dataclass(frozen=True, kw_only=True)
class ConnectionLimits:
    """What one connection may do.

    Attributes:
        concurrent_streams: Calls on it at the same time.
        max_age_seconds: After which the client is told to make a new one; 0 for no such age.
        handshake_seconds: Longest handshake.
        keepalive_seconds: Silence after which the client is asked whether it is there.
        min_ping_seconds: Pings of a client that come faster end the connection.
        metadata_bytes: Largest metadata of a call.
    """

    concurrent_streams: int = 256
    max_age_seconds: float = 3600
    handshake_seconds: float = 20
    keepalive_seconds: float = 60
    min_ping_seconds: float = 10
    metadata_bytes: int = 16 * 1024

    def options(self, *, grace_seconds: float) -> tuple[tuple[str, int], ...]:
        """Return gRPC's channel arguments; calls under way may end in the grace after the age."""
        options = {
            "grpc.max_concurrent_streams": self.concurrent_streams,
            "grpc.server_handshake_timeout_ms": _ms(self.handshake_seconds),
            "grpc.keepalive_time_ms": _ms(self.keepalive_seconds),
            "grpc.keepalive_timeout_ms": _ms(self.handshake_seconds),
            "grpc.keepalive_permit_without_calls": 1,
            "grpc.http2.min_recv_ping_interval_without_data_ms": _ms(self.min_ping_seconds),
            "grpc.http2.max_ping_strikes": 2,
            "grpc.max_metadata_size": self.metadata_bytes,
            "grpc.absolute_max_metadata_size": self.metadata_bytes,
        }
        if self.max_age_seconds:
            options["grpc.max_connection_age_ms"] = _ms(self.max_age_seconds)
            options["grpc.max_connection_age_grace_ms"] = _ms(grace_seconds)
        return tuple(options.items())


class RpcServer:
    """A gRPC server around the services.

    Args:
        services: What it serves.
        address: Where it listens, for example ``"127.0.0.1:50051"``; port 0 picks a free one.
        max_message_bytes: Largest message either way.
        grace_seconds: How long calls under way may take after SIGTERM.
        credentials: TLS; None listens without.
        connections: What one connection may do.
        interceptors: Around every call, inside the one that answers for errors, the outermost first.
    """

    def __init__(
        self,
        services: Services,
        *,
        address: str,
        max_message_bytes: int,
        grace_seconds: float,
        credentials: grpc.ServerCredentials | None = None,
        connections: ConnectionLimits = ConnectionLimits(),
        interceptors: Sequence[aio.ServerInterceptor] = (),
    ) -> None:
        self._grace_seconds = grace_seconds
        self._health = health.aio.HealthServicer()
        self._server = aio.server(
            interceptors=(ErrorInterceptor(), *interceptors),
            options=(
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.so_reuseport", 0),
                *connections.options(grace_seconds=max(grace_seconds, _CONNECTION_GRACE_SECONDS)),
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
        self._credentials = credentials
        self.port = 0

    async def start(self) -> None:
        """Listen and report healthy.

        Raises:
            DowserError: UNAVAILABLE if the address cannot be bound.
        """
        try:
            self.port = (
                self._server.add_insecure_port(self._address)
                if self._credentials is None
                else self._server.add_secure_port(self._address, self._credentials)
            )
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
        _LOG.info("draining for at most %g s", self._grace_seconds)
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._grace_seconds)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
