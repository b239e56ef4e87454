"""The composition root: the one place that knows every room of the server."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from pathlib import Path

import grpc
from grpc import aio

from query_server.campaigns import CampaignStore
from query_server.errors import invalid_argument
from query_server.models import Bundle, ClassifierStore, Runtime
from query_server.pool import Pool, TaskFeatures, build_index, detect_flavour
from query_server.rpc.access import AccessInterceptor
from query_server.rpc.campaigns import CampaignServicer
from query_server.rpc.classifiers import ClassifierServicer
from query_server.rpc.limits import Limits, Usage
from query_server.rpc.pools import PoolServicer
from query_server.rpc.receive import ReceiveInterceptor
from query_server.rpc.selection import SelectionServicer
from query_server.rpc.server import ConnectionLimits, RpcServer, Services
from query_server.rpc.tls import ServerTls
from query_server.rpc.tokens import TokenFile
from query_server.rpc.work import Workers
from query_server.selection.service import SelectionService
from query_server.settings import ServeSettings

_LOG = logging.getLogger(__name__)


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        DowserError: CORRUPT_FILE (names the file), UNAVAILABLE (names the address), or INVALID_ARGUMENT for a host
            that settings do not protect.
    """
    credentials, interceptors = _guard(settings)
    runtime = Runtime(device=settings.device, threads=settings.threads)
    bundle = Bundle.open(settings.bundle, runtime)
    pool = Pool.open(
        settings.index,
        expected_bundle_digest=bundle.digest,
        expected_encoder_sha256=bundle.encoder_sha256,
        threads=settings.threads,
        device=settings.device,
        verify=settings.verify,
    )
    faiss = detect_flavour()
    build_kind = f"GPU build, {faiss.gpus} GPU(s)" if faiss.gpu_build else "CPU build"
    _LOG.info("%s; faiss %s (%s) on %s", runtime.describe(), faiss.version, build_kind, pool.device)
    settings.state.mkdir(parents=True, exist_ok=True)
    campaigns = CampaignStore.open(settings.state / "ledger.sqlite")
    campaigns.register_pool(pool.name, size=pool.size, rows_of=pool.rows_of)
    classifiers = ClassifierStore(
        settings.state / "classifiers",
        bundle=bundle,
        runtime=runtime,
        max_bytes=settings.max_classifier_bytes,
    )
    workers = Workers(concurrency=settings.concurrency, queue=settings.queue)
    task_features = TaskFeatures(pool, threads=settings.threads) if settings.task_refresh_rounds else None
    selection = SelectionService(
        pool=pool,
        pool_name=pool.name,
        campaigns=campaigns,
        classifiers=classifiers,
        task_features=task_features,
        task_refresh_rounds=max(1, settings.task_refresh_rounds),
    )
    services = Services(
        pools=PoolServicer(pool=pool, bundle=bundle, campaigns=campaigns, workers=workers),
        campaigns=CampaignServicer(campaigns=campaigns, pool_name=pool.name, workers=workers),
        classifiers=ClassifierServicer(classifiers=classifiers, pool_name=pool.name, workers=workers),
        selection=SelectionServicer(selection=selection, campaigns=campaigns, workers=workers),
    )

    async def run() -> None:
        # Made inside the loop: grpc.aio binds its objects to the loop that is running.
        server = RpcServer(
            services,
            address=f"{settings.host}:{settings.port}",
            max_message_bytes=settings.max_message_bytes,
            grace_seconds=settings.grace_seconds,
            credentials=credentials,
            connections=ConnectionLimits(
                concurrent_streams=settings.max_concurrent_streams,
                max_age_seconds=settings.max_connection_age_seconds,
            ),
            interceptors=interceptors,
        )
        await server.start()
        _LOG.info("pool %s: %d samples, index %s", pool.name, pool.size, pool.manifest.factory)
        print(f"dowser-server listening on {settings.host}:{server.port}", flush=True)
        await server.run_until_signal()

    try:
        asyncio.run(run())
    finally:
        workers.close()
        if task_features is not None:
            task_features.close()
        runtime.close()
        campaigns.close()
        pool.close()
        _LOG.info("stopped")


def _guard(
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
    receive = ReceiveInterceptor(Usage(limits))
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


def build(
    *,
    bundle: Path,
    pool: Path,
    out: Path,
    name: str,
    factory: str | None,
    recall_target: float,
    chunk: int,
    key: str | None,
    threads: int,
    device: str,
    overwrite: bool,
) -> None:
    """Build an index over a pool with a bundle's encoder.

    Raises:
        DowserError: CORRUPT_FILE, INVALID_ARGUMENT or SHAPE_MISMATCH.
        SampleError: If the pool cannot be read.
    """
    from samples.files import open_samples

    opened = Bundle.open(bundle, Runtime(device=device, threads=threads))
    manifest = build_index(
        source=open_samples(pool, key=key),
        encode=opened.encode,
        preprocessing=opened.preprocessing,
        feature_dim=opened.feature_dim,
        bundle_digest=opened.digest,
        encoder_sha256=opened.encoder_sha256,
        out=out,
        pool=name,
        chunk=chunk,
        factory=factory,
        recall_target=recall_target,
        threads=threads,
        overwrite=overwrite,
    )
    print(
        f"indexed {manifest.size} samples of pool {manifest.pool} as {manifest.factory} "
        f"(nprobe {manifest.nprobe}, recall@10 {manifest.recall_at_10:.4f}) in {out}"
    )
