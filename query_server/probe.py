"""Ask a server's health over gRPC once: what containers and orchestrators run beside it.

The kubelet's own gRPC probes speak no TLS, and an image has no grpc_health_probe; this needs what the server has.
"""

from __future__ import annotations

from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from query_server.errors import invalid_argument, unavailable


def probe(
    address: str,
    *,
    service: str = "",
    timeout_seconds: float = 5,
    tls_ca: Path | None = None,
    tls_name: str | None = None,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
) -> None:
    """Return if the server says SERVING.

    Args:
        address: ``host:port``.
        service: The health name asked for: ``""``, ``"liveness"``, ``"readiness"`` or a service of the API.
        timeout_seconds: For connection and answer together.
        tls_ca: PEM file with the authority to trust; None speaks plain text.
        tls_name: The name the certificate must carry, where it is not the address's host.
        tls_certificate: PEM file shown to a server that demands client certificates.
        tls_key: PEM file with its key.

    Raises:
        DowserError: UNAVAILABLE with what the server, or the lack of one, answered; INVALID_ARGUMENT for a PEM file
            that cannot be read or comes without its counterpart.
    """
    with _channel(address, tls_ca, tls_name, tls_certificate, tls_key) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout_seconds)
        except grpc.RpcError as error:
            text = f"{error.code().name}: {error.details()}"
            raise unavailable(f"health of {service or 'the server'} at {address}: {text}") from None
    if reply.status != health_pb2.HealthCheckResponse.SERVING:
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
        raise unavailable(f"health of {service or 'the server'} at {address}: {status}")


def _channel(
    address: str,
    tls_ca: Path | None,
    tls_name: str | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
) -> grpc.Channel:
    if (tls_certificate is None) != (tls_key is None):
        raise invalid_argument("--tls-certificate and --tls-key", "one of the two", "both given, or neither")
    if tls_ca is None:
        if tls_certificate is not None or tls_name is not None:
            raise invalid_argument(
                "--tls-ca", None, "given with the other --tls flags: the authority to trust"
            )
        return grpc.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(tls_ca),
        private_key=_read(tls_key) if tls_key else None,
        certificate_chain=_read(tls_certificate) if tls_certificate else None,
    )
    options = (("grpc.ssl_target_name_override", tls_name),) if tls_name else ()
    return grpc.secure_channel(address, credentials, options=options)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise invalid_argument("a PEM file", str(file), f"readable ({error.strerror})") from None
