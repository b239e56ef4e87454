"""Builds an index from files: knows the rooms that take part, as ``bootstrap`` does of a server."""

from __future__ import annotations

import math
from contextlib import nullcontext
from pathlib import Path

from query_server.models import Bundle, Runtime, synthetic_features
from query_server.pool import build_index
from query_server.ray_building import RayWorkers
from query_server.ray_tasks import connected, device_on_nodes


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
    store_samples: bool = True,
    link: bool = False,
    encoded: bool = False,
    memory_budget_bytes: int | None = None,
    on_ray: bool = False,
    ray_address: str | None = None,
) -> None:
    """Build an index over a pool with a bundle's encoder, tuned with what its generator makes.

    Raises:
        DowserError: CORRUPT_FILE, INVALID_ARGUMENT or SHAPE_MISMATCH; EXTRA_NOT_INSTALLED or UNAVAILABLE on Ray.
        SampleError: If the pool cannot be read.
    """
    from samples.files import open_samples

    device = device_on_nodes(device) if on_ray else device
    with connected(ray_address) if on_ray else nullcontext():
        opened = Bundle.open(bundle, Runtime(device=device, threads=threads))
        source = open_samples(pool, key=key)
        workers = RayWorkers(
            bundle=bundle.resolve(),
            bundle_digest=opened.digest,
            pool=pool.resolve(),
            key=key,
            size=len(source),
            sample_bytes=source.dtype.itemsize * math.prod(source.shape) + 4 * opened.feature_dim,
            threads=threads,
            device=device,
        )
        manifest = build_index(
            source=source,
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
            store_samples=store_samples,
            link=link,
            encoded=encoded,
            memory_budget_bytes=memory_budget_bytes,
            synthesize=lambda count: synthetic_features(opened, count),
            workers=workers if on_ray else None,
        )
    refined = f", refine {manifest.refine_factor}" if manifest.refine_factor else ""
    print(
        f"indexed {manifest.size} samples of pool {manifest.pool} as {manifest.factory} "
        f"(nprobe {manifest.nprobe}{refined}, recall@10 {manifest.recall_at_10:.4f}) in {out}"
        + (", without the samples themselves" if manifest.without_samples else "")
    )
