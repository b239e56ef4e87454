"""Channels: their options, TLS, credentials, and how a `Call` goes through one, sync and asyncio."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import grpc

from client.conversion.call import Call
from client.errors import from_rpc_error, invalid_argument
from client.retry import Attempts, RetryPolicy

T = TypeVar("T")

DEFAULT_TIMEOUT_SECONDS = 120.0
MAX_TIMEOUT_SECONDS = 86_400.0 * 3_650  # much longer ones gRPC takes for over at once
DEFAULT_MESSAGE_BYTES = 64 << 20

# A port, and no more host after the name: "localhost.example.com" and "127.example.com" are not this machine.
_LOCAL_TARGET = re.compile(
    r"(unix(-abstract)?:.+)"
    r"|((dns:(//[^/]*/)?)?localhost(:\d+)?)"
    r"|((ipv4:|dns:(//[^/]*/)?)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}(:\d+)?)"
    r"|((ipv6:|dns:(//[^/]*/)?)?\[::1\](:\d+)?)"
)


@dataclass(frozen=True, kw_only=True)
class TlsConfig:
    """How to trust the server, and how to prove who the client is.

    Attributes:
        ca_certificates: PEM file of the authorities to trust; None means the system's.
        client_certificate: PEM file of the client's certificate chain, for mutual TLS.
        client_key: PEM file of its private key.
        server_name: The name the server's certificate must carry, where it is not the target's.
    """

    ca_certificates: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    server_name: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Read the files.

        Raises:
            InvalidArgumentError: A file cannot be read, or a certificate comes without its key.
        """
        if (self.client_certificate is None) != (self.client_key is None):
            raise invalid_argument("client_certificate and client_key are given together or not at all")
        return grpc.ssl_channel_credentials(
            root_certificates=_read(self.ca_certificates),
            private_key=_read(self.client_key),
            certificate_chain=_read(self.client_certificate),
        )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything about a connection but the channel itself."""

    target: str
    timeout_seconds: float
    tls: TlsConfig | None
    token: str | None = field(repr=False)
    retry: RetryPolicy
    max_message_bytes: int
    allow_insecure_token: bool = False

    def __post_init__(self) -> None:
        if not self.target:
            raise invalid_argument('target is empty; give "host:port"', field="target")
        if not 0 < self.timeout_seconds <= MAX_TIMEOUT_SECONDS:
            raise invalid_argument(
                f"timeout_seconds must be above 0 and at most {MAX_TIMEOUT_SECONDS:.0f}, got {self.timeout_seconds}",
                field="timeout_seconds",
                value=str(self.timeout_seconds),
            )
        if self.max_message_bytes <= 0:
            raise invalid_argument(f"max_message_bytes must be positive, got {self.max_message_bytes}")
        if self.token is None:
            return
        if not self.token.isascii() or not self.token.isprintable() or not self.token.strip():
            raise invalid_argument("the token must be printable ASCII, and not empty", field="token")
        if self.tls is None and not self.allow_insecure_token and not _LOCAL_TARGET.fullmatch(self.target):
            raise invalid_argument(
                f"a token would travel to {self.target} in the clear; give tls=TlsConfig(...) as well, or insist "
                "with allow_insecure_token=True where something else protects the way",
                field="token",
            )

    def with_timeout(self, timeout_seconds: float) -> Settings:
        """Return the same settings with another deadline."""
        return replace(self, timeout_seconds=timeout_seconds)

    @property
    def channel_options(self) -> list[tuple[str, Any]]:
        """The channel's options: message limits, and reconnecting as fast as the retries come."""
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            # By default a channel waits a second, then up to two minutes, before it dials again, and every
            # retry in between fails at once without having asked anybody.
            ("grpc.initial_reconnect_backoff_ms", 100),
            # (grpc.min_reconnect_backoff_ms stays: in spite of its name it is the time a connection may take.)
            ("grpc.max_reconnect_backoff_ms", 2000),
            # Retries are ours (client.retry); a service config from DNS must not add its own.
            ("grpc.service_config_disable_resolution", 1),
        ]
        if self.tls is not None and self.tls.server_name is not None:
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    @property
    def call_metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call."""
        return (("authorization", f"Bearer {self.token}"),) if self.token is not None else ()


def open_channel(settings: Settings) -> grpc.Channel:
    """Open a channel; it dials on the first call."""
    if settings.tls is None:
        return grpc.insecure_channel(settings.target, options=settings.channel_options)
    credentials = settings.tls.credentials()
    return grpc.secure_channel(settings.target, credentials, options=settings.channel_options)


def open_async_channel(settings: Settings) -> grpc.aio.Channel:
    """Open a channel for the running event loop; it dials on the first call."""
    if settings.tls is None:
        return grpc.aio.insecure_channel(settings.target, options=settings.channel_options)
    credentials = settings.tls.credentials()
    return grpc.aio.secure_channel(settings.target, credentials, options=settings.channel_options)


def send(channel: grpc.Channel, call: Call[T], settings: Settings) -> T:
    """Send a call, again where that may help, and read its answer.

    Raises:
        DowserError: The call failed for good.
    """
    attempts = Attempts(settings.retry, settings.timeout_seconds)
    method = _method(channel, call)
    while True:
        request = call.request if call.parts is None else call.parts()
        try:
            reply = method(request, timeout=attempts.start(), metadata=settings.call_metadata)
            if call.streams:
                reply = list(reply)
        except grpc.RpcError as failure:
            error = from_rpc_error(failure)
            delay_seconds = attempts.delay_seconds(error)
            if delay_seconds is None:
                raise error from failure
            time.sleep(delay_seconds)
        else:
            return call.decode(reply)


async def send_async(channel: grpc.aio.Channel, call: Call[T], settings: Settings) -> T:
    """Do what `send` does, without blocking the event loop."""
    attempts = Attempts(settings.retry, settings.timeout_seconds)
    method = _method(channel, call)
    while True:
        request = call.request if call.parts is None else call.parts()
        try:
            made = method(request, timeout=attempts.start(), metadata=settings.call_metadata)
            reply = [each async for each in made] if call.streams else await made
        except grpc.aio.AioRpcError as failure:
            error = from_rpc_error(failure)
            delay_seconds = attempts.delay_seconds(error)
            if delay_seconds is None:
                raise error from failure
            await asyncio.sleep(delay_seconds)
        else:
            return call.decode(reply)


def _method(channel: grpc.Channel | grpc.aio.Channel, call: Call[Any]) -> Callable[..., Any]:
    """Return the channel's callable for a call; the two kinds of channel differ only in what it returns."""
    make: Callable[..., Any] = channel.unary_unary
    if call.parts is not None:
        make = channel.stream_stream if call.streams else channel.stream_unary
    method: Callable[..., Any] = make(
        call.path,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=call.reply_type.FromString,
    )
    return method


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise invalid_argument(f"cannot read {path}: {error}", file=str(path)) from error
