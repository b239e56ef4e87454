"""Opens what is served together: bundle, index, live pool, the sandbox of classifiers, and the rounds over them."""

from __future__ import annotations

import numpy as np

from query_server.campaigns import CampaignStore
from query_server.errors import corrupt_file, shape_mismatch
from query_server.files import file_name, sha256_of
from query_server.models import Bundle, Runtime
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.pool import LivePool, Pool, TaskFeatures, read_manifest
from query_server.pool.manifest import MANIFEST
from query_server.selection.augmentation import Augmentation
from query_server.selection.remote_scoring import RemoteScoring
from query_server.selection.service import SelectionService
from query_server.serving import Generation
from query_server.settings import ServeSettings

LEDGER = "ledger.sqlite"
CLASSIFIERS = "classifiers"


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
    base = Pool.open(
        index_dir,
        expected_bundle_digest=bundle.digest,
        expected_encoder_sha256=bundle.encoder_sha256,
        threads=settings.threads,
        device=settings.device,
        verify=settings.verify or previous is not None,
    )
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
    try:
        if previous is not None:
            _try(bundle, base)
        if sha256_of(index_dir / MANIFEST) != digest:
            raise corrupt_file(index_dir, "replaced while it was opened; try again")
        sandbox.wait_until_ready()
        classifiers = SandboxedClassifiers(settings.state / CLASSIFIERS, bundle=bundle, sandbox=sandbox)
        # The last that can fail: from here on the journal belongs to this index.
        live = _open_live(settings, bundle, base, previous)
    except BaseException:
        sandbox.close()
        base.close()
        raise
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
        sandbox.close()
        base.close()

    return Generation(
        bundle=bundle,
        live=live,
        classifiers=classifiers,
        sandbox=sandbox,
        selection=selection,
        remote_scoring=remote_scoring,
        augmentation=augmentation,
        index_dir=index_dir,
        index_digest=digest,
        close=close,
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
        verify=settings.verify,
    )


def journal_folder(pool: str) -> str:
    """Return where a pool's journal lies in the state directory."""
    return f"pools/{file_name(pool)}"


def _try(bundle: Bundle, pool: Pool) -> None:
    """Encode and search once, so that what cannot run is refused here and not in a call."""
    features = bundle.encode(np.zeros((1, *bundle.input_shape), np.float32))
    pool.search(features, 1)
