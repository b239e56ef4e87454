"""Opens what is served together: bundle, index, live pool, the sandbox of classifiers, and the rounds over them."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from dowser.v1 import index_pb2
from query_server.campaigns import CampaignStore
from query_server.errors import corrupt_file, shape_mismatch
from query_server.files import sha256_of
from query_server.layout import CLASSIFIERS, journal_folder
from query_server.models import Bundle, Runtime
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.pool import (
    GpuIndexOptions,
    LivePool,
    Moment,
    Pool,
    TaskFeatures,
    check_files,
    compacted_folder,
    identity_of,
    read_manifest,
)
from query_server.pool.manifest import MANIFEST, check_bundle
from query_server.selection.augmentation import Augmentation
from query_server.selection.remote_scoring import RemoteScoring
from query_server.selection.service import SelectionService
from query_server.serving import Generation, Users
from query_server.settings import ServeSettings

_LOG = logging.getLogger(__name__)


def open_generation(
    settings: ServeSettings,
    runtime: Runtime,
    campaigns: CampaignStore,
    previous: Generation | None = None,
) -> Generation:
    """Open, verify and try what lies at the configured bundle and index now.

    Links are followed once, so that a link that is set anew in the meantime mixes nothing.

    Args:
        settings: Where to look and how to open it.
        runtime: Runs the models.
        campaigns: The durable ledger.
        previous: What it shall take the place of: then every file is hashed, and pool and input shape must be the same.

    Raises:
        DowserError: CORRUPT_FILE or SHAPE_MISMATCH.
    """
    bundle = Bundle.open(settings.bundle.resolve(), runtime)
    index_dir = settings.index.resolve()
    manifest = read_manifest(index_dir)
    digest = sha256_of(index_dir / MANIFEST)
    if previous is not None:
        name = previous.live.current().name
        if manifest.pool != name:
            why = f"an index of the pool {manifest.pool!r}, this server serves {name!r}"
            raise corrupt_file(index_dir / MANIFEST, f"{why}; name it as the one it replaces, or restart")
        if bundle.input_shape != previous.bundle.input_shape:
            raise shape_mismatch(previous.bundle.input_shape, bundle.input_shape, what="the bundle's samples")
    with ExitStack() as opened:
        base = _open_base(settings, bundle, index_dir, manifest, previous)
        opened.callback(base.close)
        sandbox = Sandbox(
            SandboxConfig(
                workers=settings.sandbox_workers,
                memory_bytes=settings.worker_memory_bytes,
                job_seconds=settings.worker_job_seconds,
                threads=settings.threads,
                device=runtime.device,
                gpu=runtime.gpu,
                max_bytes=settings.max_classifier_bytes,
            ),
            bundle,
        )
        opened.callback(sandbox.close)
        if previous is not None:
            _try(bundle, base)
        if sha256_of(index_dir / MANIFEST) != digest:
            raise corrupt_file(index_dir, "replaced while it was opened; try again")
        sandbox.wait_until_ready()
        classifiers = SandboxedClassifiers(settings.state / CLASSIFIERS, bundle=bundle, sandbox=sandbox)
        # The last that can fail: from here on the journal belongs to this index.
        live = _open_live(settings, bundle, base, previous)
        opened.pop_all()
    return _generation(
        settings,
        campaigns,
        bundle=bundle,
        base=base,
        live=live,
        classifiers=classifiers,
        sandbox=sandbox,
        sandbox_users=Users(sandbox.close),
        index_dir=index_dir,
        index_digest=digest,
    )


def compacted_generation(
    settings: ServeSettings, campaigns: CampaignStore, old: Generation, moment: Moment, folder: str
) -> Generation:
    """Open the compacted index of a moment beside the same bundle, classifiers and worker processes.

    Raises:
        DowserError: CORRUPT_FILE, COMPACTION_REFUSED or STORAGE_FULL; then nothing changed.
    """
    base = _open_pool(settings, old.bundle, old.live.folders.directory / folder, verify=False)
    try:
        _try(old.bundle, base)
        live = old.live.compacted(base, moment, folder, encode=old.bundle.encode)
    except BaseException:
        base.close()
        raise
    old.sandbox_users.join()
    return _generation(
        settings,
        campaigns,
        bundle=old.bundle,
        base=base,
        live=live,
        classifiers=old.classifiers,
        sandbox=old.sandbox,
        sandbox_users=old.sandbox_users,
        index_dir=old.index_dir,
        index_digest=old.index_digest,
    )


def _generation(
    settings: ServeSettings,
    campaigns: CampaignStore,
    *,
    bundle: Bundle,
    base: Pool,
    live: LivePool,
    classifiers: SandboxedClassifiers,
    sandbox: Sandbox,
    sandbox_users: Users,
    index_dir: Path,
    index_digest: str,
) -> Generation:
    refreshes = settings.task_refresh_rounds and base.has_samples  # they are made of the samples
    task_features = TaskFeatures(live.current, threads=settings.threads) if refreshes else None
    selection = SelectionService(
        pools=live.current,
        pool_name=base.name,
        campaigns=campaigns,
        classifiers=classifiers,
        task_features=task_features,
        task_refresh_rounds=max(1, settings.task_refresh_rounds),
    )
    remote_scoring = RemoteScoring(
        pools=live.current, pool_name=base.name, campaigns=campaigns, classifiers=classifiers
    )
    augmentation = Augmentation(
        pools=live.current,
        pool_name=base.name,
        campaigns=campaigns,
        classifiers=classifiers,
        reconstructor=bundle.reconstructor,
        generator=bundle.manifest.generator,
    )

    def close() -> None:
        if task_features is not None:
            task_features.close()
        sandbox_users.leave()
        base.close()
        live.remove_unused()

    return Generation(
        bundle=bundle,
        live=live,
        classifiers=classifiers,
        sandbox=sandbox,
        sandbox_users=sandbox_users,
        selection=selection,
        remote_scoring=remote_scoring,
        augmentation=augmentation,
        index_dir=index_dir,
        index_digest=index_digest,
        close=close,
    )


def _open_base(
    settings: ServeSettings,
    bundle: Bundle,
    index_dir: Path,
    manifest: index_pb2.IndexManifest,
    previous: Generation | None,
) -> Pool:
    """Open the configured index, or the compacted one that stands for it; both must be sound."""
    verify = settings.verify or previous is not None
    source = identity_of(manifest)
    if previous is not None:
        compacted = previous.live.compacted_folder(source)
    else:
        compacted = compacted_folder(settings.state / journal_folder(manifest.pool), source)
    if compacted is None:
        return _open_pool(settings, bundle, index_dir, verify=verify)
    check_bundle(index_dir, manifest, bundle.digest, bundle.encoder_sha256)
    check_files(index_dir, manifest, verify=verify)
    _LOG.info(
        "pool %s: served from %s, which holds what was added to %s", manifest.pool, compacted, index_dir
    )
    return _open_pool(settings, bundle, compacted, verify=verify)


def _open_pool(settings: ServeSettings, bundle: Bundle, directory: Path, *, verify: bool) -> Pool:
    return Pool.open(
        directory,
        expected_bundle_digest=bundle.digest,
        expected_encoder_sha256=bundle.encoder_sha256,
        threads=settings.threads,
        device=settings.device,
        gpu=GpuIndexOptions(
            kind=settings.gpu_index,
            memory_bytes=settings.gpu_index_bytes,
            temp_bytes=settings.gpu_temp_bytes,
        ),
        verify=verify,
    )


def _open_live(settings: ServeSettings, bundle: Bundle, base: Pool, previous: Generation | None) -> LivePool:
    encoder = bundle.encoder_sha256 or bundle.digest
    if previous is not None:
        return previous.live.rebased(base, encode=bundle.encode, encoder=encoder)
    return LivePool.open(
        settings.state / journal_folder(base.name),
        base=base,
        encode=bundle.encode,
        encoder=encoder,
        max_added=settings.max_added_samples,
        answer_days=settings.answer_days,
        verify=settings.verify,
    )


def _try(bundle: Bundle, pool: Pool) -> None:
    """Encode and search once, so that what cannot run is refused here and not in a call."""
    features = bundle.encode(np.zeros((1, *bundle.input_shape), np.float32))
    pool.search(features, 1)
