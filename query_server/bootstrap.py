"""The composition root: the one place that knows every room of the server."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from query_server.campaigns import CampaignStore
from query_server.models import Bundle, Runtime
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.pool import Pool, TaskFeatures, build_index, detect_flavour
from query_server.rpc.campaigns import CampaignServicer
from query_server.rpc.classifiers import ClassifierServicer
from query_server.rpc.pools import PoolServicer
from query_server.rpc.selection import SelectionServicer
from query_server.rpc.server import RpcServer, Services
from query_server.rpc.work import Workers
from query_server.selection.service import SelectionService
from query_server.settings import ServeSettings

_LOG = logging.getLogger(__name__)


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        DowserError: CORRUPT_FILE (names the file) or UNAVAILABLE (names the address).
    """
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
    sandbox = Sandbox(
        SandboxConfig(
            workers=settings.sandbox_workers,
            memory_bytes=settings.worker_memory_bytes,
            job_seconds=settings.worker_job_seconds,
            threads=settings.threads,
            device=runtime.device,
            max_bytes=settings.max_classifier_bytes,
        ),
        bundle,
    )
    classifiers = SandboxedClassifiers(settings.state / "classifiers", bundle=bundle, sandbox=sandbox)
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
        )
        await asyncio.to_thread(sandbox.wait_until_ready)
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
        sandbox.close()
        runtime.close()
        campaigns.close()
        pool.close()
        _LOG.info("stopped")


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
