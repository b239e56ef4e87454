"""The composition root: the one place that knows every room of the server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import grpc
from grpc import aio

from query_server.batch import ScoreJobs
from query_server.batch_engine import opener
from query_server.campaigns import CampaignStore
from query_server.compaction import Compactor, Due, outside
from query_server.courtesy import Courtesy
from query_server.exposure import guard
from query_server.generations import compacted_generation, open_generation
from query_server.layout import JOBS, LEDGER, journal_folder
from query_server.maintenance import SnapshotManifest, Snapshots, SnapshotSources
from query_server.models import GpuRuntimeOptions, Runtime, synthetic_features
from query_server.observe import CampaignStats, IndexStats, Observer, WorkerStats, dowser_version, observing
from query_server.pool import (
    BUILDING,
    QUERIES,
    Moment,
    detect_flavour,
    write_compacted,
)
from query_server.rpc.admin import AdminServicer
from query_server.rpc.augmentation import AugmentationServicer
from query_server.rpc.caller import caller_of
from query_server.rpc.campaigns import CampaignServicer
from query_server.rpc.classifiers import ClassifierServicer
from query_server.rpc.observing import ObserveInterceptor
from query_server.rpc.pools import PoolServicer
from query_server.rpc.scoring import ScoringServicer
from query_server.rpc.selection import SelectionServicer
from query_server.rpc.server import ConnectionLimits, RpcServer, Services
from query_server.rpc.status import ErrorInterceptor
from query_server.rpc.work import Workers
from query_server.serving import Generation, Reloaded, Serving
from query_server.settings import ServeSettings

_LOG = logging.getLogger(__name__)
_QUICK = 4  # threads of the calls that take milliseconds: the ledger's, samples, searches


def serve(settings: ServeSettings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        DowserError: CORRUPT_FILE (names the file), UNAVAILABLE (names the address), or INVALID_ARGUMENT for a host
            that settings do not protect.
    """
    credentials, guards = guard(settings)
    with observing(
        metrics_host=settings.metrics_host,
        metrics_port=settings.metrics_port,
        otlp_endpoint=settings.otlp_endpoint,
    ) as observer:
        _serve(settings, observer, credentials, guards)


def _serve(
    settings: ServeSettings,
    observer: Observer,
    credentials: grpc.ServerCredentials | None,
    guards: tuple[aio.ServerInterceptor, ...],
) -> None:
    runtime = Runtime(
        device=settings.device,
        threads=settings.threads,
        gpu=GpuRuntimeOptions(
            arena_bytes=settings.gpu_arena_bytes,
            cuda_graphs=settings.cuda_graphs,
            tf32=settings.gpu_tf32,
        ),
    )
    settings.state.mkdir(parents=True, exist_ok=True)
    campaigns = CampaignStore.open(
        settings.state / LEDGER, lease_seconds=settings.lease_seconds, answer_days=settings.answer_days
    )
    serving = Serving(open_generation(settings, runtime, campaigns))
    campaigns.register_pool(serving.pool_name, serving.pool)
    faiss = detect_flavour()
    build_kind = f"GPU build, {faiss.gpus} GPU(s)" if faiss.gpu_build else "CPU build"
    _LOG.info("%s; faiss %s (%s) on %s", runtime.describe(), faiss.version, build_kind, serving.pool().device)
    _LOG.info(
        "%d thread(s) for models and searches together, %d worker process(es)",
        *(settings.threads, settings.sandbox_workers),
    )
    workers = Workers(concurrency=settings.concurrency, queue=settings.queue)
    quick = Workers(concurrency=_QUICK, queue=settings.queue)
    administration = Workers(concurrency=2, queue=2)
    courtesy = Courtesy()
    jobs = ScoreJobs(
        settings.state / JOBS,
        open_engine=opener(settings, runtime, serving),
        courtesy=courtesy,
        keep=settings.score_jobs,
    )

    def reload() -> Reloaded:
        return serving.reload(lambda old: open_generation(settings, runtime, campaigns, old))

    def compacted_index(
        generation: Generation, moment: Moment, folder: str, checkpoint: Callable[[], None]
    ) -> None:
        folders = generation.live.folders
        write_compacted(
            moment.state,
            folders.directory / BUILDING,
            queries=synthetic_features(generation.bundle, QUERIES),
            threads=-(-settings.threads // 2),
            give_way=lambda: courtesy.give_way(checkpoint),
            checkpoint=checkpoint,
        )
        folders.publish(folder)

    compactor = Compactor(
        serving,
        build=compacted_index,
        open_next=lambda old, moment, folder: compacted_generation(settings, campaigns, old, moment, folder),
        due=Due(
            part=settings.compact_after, least=settings.compact_least, most_added=settings.max_added_samples
        ),
    )
    snapshots = Snapshots(settings.snapshots)

    def snapshot(name: str, request_id: str, checkpoint: Callable[[str], None]) -> SnapshotManifest:
        with serving.use() as generation:
            sources = _snapshot_sources(settings, campaigns, generation)
            return snapshots.take(name, request_id, sources, checkpoint)

    services = Services(
        pools=PoolServicer(
            serving=serving,
            campaigns=campaigns,
            workers=workers,
            quick=quick,
            max_add_bytes=settings.max_add_bytes,
        ),
        campaigns=CampaignServicer(campaigns=campaigns, pool_name=serving.pool_name, workers=quick),
        classifiers=ClassifierServicer(
            serving=serving, max_bytes=settings.max_classifier_bytes, workers=workers
        ),
        selection=SelectionServicer(
            serving=serving, campaigns=campaigns, workers=workers, quick=quick, courtesy=courtesy
        ),
        scoring=ScoringServicer(serving=serving, jobs=jobs, workers=workers, courtesy=courtesy),
        augmentation=AugmentationServicer(serving=serving, workers=workers, courtesy=courtesy),
        admin=AdminServicer(
            reload=reload,
            snapshot=snapshot,
            compact=compactor.compact,
            pool_name=serving.pool_name,
            workers=administration,
        ),
    )

    def index_stats() -> IndexStats:
        pool, counts = serving.pool(), compactor.counts
        return IndexStats(
            pool=pool.name,
            samples=pool.size,
            version=pool.index_version,
            recall_at_10=pool.manifest.recall_at_10,
            outside=outside(pool),
            compactions=counts.done,
            failed_compactions=counts.failed,
            compaction_seconds=counts.last_seconds,
        )

    def campaign_stats() -> CampaignStats:
        infos = campaigns.list()
        return CampaignStats(
            campaigns=len(infos),
            labels=sum(info.labeled for info in infos),
            leases=sum(info.leased for info in infos),
            rounds=sum(info.rounds for info in infos),
        )

    def worker_stats() -> WorkerStats:
        sandbox = serving.sandbox
        return WorkerStats(
            workers=sandbox.alive, busy=sandbox.busy, waiting=sandbox.queue_depth, restarts=sandbox.restarts
        )

    observer.metrics.running(
        {
            "version": dowser_version(),
            "onnxruntime": runtime.version,
            "faiss": faiss.version,
            "device": runtime.device,
        }
    )
    observer.metrics.register_queue(workers.stats)
    observer.metrics.register_index(index_stats)
    observer.metrics.register_campaigns(campaign_stats)
    observer.metrics.register_workers(worker_stats)

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
            observers=(ObserveInterceptor(observer, caller_of=caller_of),),
            interceptors=(ErrorInterceptor(), *guards),
            reload=reload,
            on_drain=lambda: observer.vitals.not_ready("draining: the server was told to stop"),
        )
        observer.vitals.watch(asyncio.get_running_loop())
        await server.start()
        observer.vitals.ready()
        jobs.begin()
        compactor.begin()
        pool = serving.pool()
        if not pool.has_samples:
            _LOG.info("pool %s: its samples are not here; clients score what is proposed", pool.name)
        _LOG.info(
            "pool %s: %d samples, %d of them added to index %s, version %d",
            *(pool.name, pool.size, pool.added, pool.manifest.factory, pool.index_version),
        )
        print(f"dowser-server listening on {settings.host}:{server.port}", flush=True)
        await server.run_until_signal()

    try:
        asyncio.run(run())
    finally:
        observer.vitals.watch(None)
        jobs.close()
        compactor.close()
        workers.close()
        quick.close()
        administration.close()
        serving.close()
        runtime.close()
        campaigns.close()
        _LOG.info("stopped")


def _snapshot_sources(
    settings: ServeSettings, campaigns: CampaignStore, generation: Generation
) -> SnapshotSources:
    pool = generation.live.current()
    return SnapshotSources(
        bundle=generation.bundle.path,
        index=generation.index_dir,
        state=settings.state,
        bundle_digest=generation.bundle.digest,
        index_digest=generation.index_digest,
        pool=pool.name,
        index_version=pool.index_version,
        copies={LEDGER: campaigns.backup, journal_folder(pool.name): generation.live.copy_to},
    )
