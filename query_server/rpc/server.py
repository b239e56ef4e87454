"""The server's lifecycle: services, health, reflection, message limits, a drain on SIGTERM, a reload on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from dowser.v1 import (
    admin_pb2,
    admin_pb2_grpc,
    augmentation_pb2,
    augmentation_pb2_grpc,
    campaigns_pb2,
    campaigns_pb2_grpc,
    classifiers_pb2,
    classifiers_pb2_grpc,
    pools_pb2,
    pools_pb2_grpc,
    scoring_pb2,
    scoring_pb2_grpc,
    selection_pb2,
    selection_pb2_grpc,
)
from query_server.errors import DowserError, unavailable
from query_server.rpc.admin import AdminServicer
from query_server.rpc.augmentation import AugmentationServicer
from query_server.rpc.campaigns import CampaignServicer
from query_server.rpc.classifiers import ClassifierServicer
from query_server.rpc.gate import Gate
from query_server.rpc.health import Health
from query_server.rpc.pools import PoolServicer
from query_server.rpc.scoring import ScoringServicer
from query_server.rpc.selection import SelectionServicer

_LOG = logging.getLogger(__name__)
# For what arrived before the gate closed to be picked up; longer than any iteration of the event loop.
_SETTLE_SECONDS = 0.25
# Calls on a connection that reached its age may take this long at least.
_CONNECTION_GRACE_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class Services:
    """The servicers of one server."""

    pools: PoolServicer
    campaigns: CampaignServicer
    classifiers: ClassifierServicer
    selection: SelectionServicer
    scoring: ScoringServicer
    augmentation: AugmentationServicer
    admin: AdminServicer


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
        observers: Interceptors that see every call, also those that come while the server drains.
        interceptors: What every other call passes, the outermost first; the one that answers errors among them.
        reload: What SIGHUP does, on a thread.
        on_drain: Called once no more requests should come.
    """

    def __init__(
        self,
        services: Services,
        *,
        address: str,
        max_message_bytes: int,
        grace_seconds: float,
        observers: Sequence[aio.ServerInterceptor] = (),
        interceptors: Sequence[aio.ServerInterceptor],
        reload: Callable[[], object],
        on_drain: Callable[[], None] = lambda: None,
        credentials: grpc.ServerCredentials | None = None,
        connections: ConnectionLimits = ConnectionLimits(),
    ) -> None:
        self._on_drain = on_drain
        self._grace_seconds = grace_seconds
        self._reload = reload
        self._gate = Gate()
        self._reloads: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._server = aio.server(
            interceptors=(*observers, self._gate, *interceptors),
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
        scoring_pb2_grpc.add_ScoringServiceServicer_to_server(services.scoring, self._server)
        augmentation_pb2_grpc.add_AugmentationServiceServicer_to_server(services.augmentation, self._server)
        admin_pb2_grpc.add_AdminServiceServicer_to_server(services.admin, self._server)
        files = (
            pools_pb2,
            campaigns_pb2,
            classifiers_pb2,
            selection_pb2,
            scoring_pb2,
            augmentation_pb2,
            admin_pb2,
        )
        self._names = tuple(
            service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values()
        )
        self._health = Health(self._names)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
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
        await self._health.starting()
        # Before anybody can know that the server is there, and signal it.
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._begin_reload)
        await self._server.start()
        await self._health.ready()

    async def run_until_signal(self) -> None:
        """Serve until SIGTERM or SIGINT, then refuse new calls and let those under way end; a second one ends at once.

        SIGHUP reloads.
        """
        loop = asyncio.get_running_loop()
        await self._stop.wait()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            # Not the loop's: it counts until the process is gone, also while threads are awaited after the loop.
            signal.signal(number, _end_at_once)
        self._on_drain()
        _LOG.info("draining for at most %g s", self._grace_seconds)
        self._gate.close()
        await self._health.draining()
        await asyncio.sleep(min(_SETTLE_SECONDS, self._grace_seconds))
        await self._server.stop(max(0.0, self._grace_seconds - _SETTLE_SECONDS))

    def _begin_reload(self) -> None:
        task = asyncio.ensure_future(self._reload_on_thread())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload_on_thread(self) -> None:
        try:
            await asyncio.to_thread(self._reload)
        except DowserError as error:
            _LOG.error("SIGHUP: %s", error.message)
        except Exception:
            _LOG.exception("SIGHUP: the reload failed, what was served before goes on")


def _end_at_once(number: int, _: object) -> None:
    """End the process without waiting for anything; what was acknowledged is on disk."""
    _LOG.warning("a second signal: ending at once, calls under way are dropped")
    os._exit(128 + number)


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
