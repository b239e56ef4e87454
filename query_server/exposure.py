"""Who may reach the server: TLS, tokens and limits by the settings, and no host beyond loopback without them."""

from __future__ import annotations

import ipaddress
import logging

import grpc
from grpc import aio

from query_server.errors import invalid_argument
from query_server.rpc.access import AccessInterceptor
from query_server.rpc.limits import Limits, Usage
from query_server.rpc.observing import note_message
from query_server.rpc.receive import ReceiveInterceptor
from query_server.rpc.tls import ServerTls
from query_server.rpc.tokens import TokenFile
from query_server.settings import ServeSettings

_LOG = logging.getLogger(__name__)


def guard(
    settings: ServeSettings,
) -> tuple[grpc.ServerCredentials | None, tuple[aio.ServerInterceptor, ...]]:
    """Return what keeps others out: TLS where it is set, and the interceptors of tokens and limits.

    Raises:
        DowserError: CORRUPT_FILE naming a file, or INVALID_ARGUMENT for a host that would be open to all.
    """
    credentials = None
    if settings.tls_certificate is not None and settings.tls_key is not None:
        credentials = ServerTls(
            certificate=settings.tls_certificate, key=settings.tls_key, client_ca=settings.tls_client_ca
        ).credentials()
    elif settings.tls_certificate or settings.tls_key or settings.tls_client_ca:
        raise invalid_argument(
            "tls_certificate and tls_key", "one of them or tls_client_ca alone", "given together"
        )
    _refuse_exposure(settings)
    limits = Limits(
        concurrency=settings.caller_concurrency,
        requests_per_second=settings.caller_requests_per_second,
        upload_bytes_per_minute=settings.caller_upload_bytes_per_minute,
        memory_bytes=settings.max_request_memory_bytes,
        stream_bytes=settings.max_stream_bytes,
        idle_seconds=settings.stream_idle_seconds,
        stream_seconds=settings.stream_seconds,
    )
    receive = ReceiveInterceptor(Usage(limits), noticed=note_message)
    if settings.tokens is None:
        return credentials, (receive,)
    return credentials, (AccessInterceptor(TokenFile(settings.tokens)), receive)


def _refuse_exposure(settings: ServeSettings) -> None:
    """Listen beyond loopback only where callers prove who they are under TLS, or where one insists."""
    encrypted = settings.tls_certificate is not None
    proven = settings.tokens is not None or settings.tls_client_ca is not None
    if not (encrypted and proven) and not _is_loopback(settings.host):
        if not settings.insecure:
            raise invalid_argument(
                "host",
                settings.host,
                "a loopback address, as whoever reaches it could use the server or read what passes; give "
                "--tls-certificate, --tls-key, and --tokens or --tls-client-ca, or insist with --insecure",
            )
        _LOG.warning(
            "listening on %s %s and %s: whoever reaches it can %s (--insecure)",
            settings.host,
            "with TLS" if encrypted else "without TLS",
            "with tokens or client certificates" if proven else "without tokens or client certificates",
            "read what passes" if proven else "use the server",
        )
    elif not (encrypted or proven):
        _LOG.info("no TLS and no tokens: listening on loopback only")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
