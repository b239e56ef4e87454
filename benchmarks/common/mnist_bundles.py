"""Bundles of one generator with each kind of features, and an index for each: what the MNIST recipes serve."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.processes import run_tool
from benchmarks.common.results import UnitStore, read_json
from benchmarks.common.training import train_bundle

FEATURES = ("pixels", "autoencoder", "critic")
# About as long as the generator of the paper's Table 3 needs to draw clear digits, at a third of its width.
TRAINING = {"iterations": 6000, "autoencoder_iterations": 3000}
QUICK_TRAINING = {"iterations": 20, "autoencoder_iterations": 50, "width": 8}


@dataclass(frozen=True, kw_only=True)
class Served:
    """What a server needs, and where it came from.

    Attributes:
        bundle: folder.
        index: folder.
        digest: sha256 of the bundle's manifest.
        manifest: the bundle's.
    """

    bundle: Path
    index: Path
    digest: str
    manifest: dict[str, Any]

    def provenance(self) -> dict[str, Any]:
        """Return what of the manifest belongs into a result."""
        kept = ("generator", "features", "latent_dim", "feature_dim", "training", "metrics", "versions")
        return {
            "digest": self.digest,
            **{name: self.manifest[name] for name in kept if name in self.manifest},
        }


def prepare(
    pool_raw: NDArray[np.uint8], work: Path, *, features: Sequence[str], bundles: Path | None, quick: bool
) -> dict[str, Served]:
    """Return a bundle and an index for each kind of features; train and build what is not there yet.

    Args:
        pool_raw: The pool [N, H, W].
        work: Folder for what is made.
        features: Kinds wanted.
        bundles: Folder with trained `bundle_KIND` folders; None trains into `work`.
        quick: Train only as long as it takes to have something.
    """
    work.mkdir(parents=True, exist_ok=True)
    pool = work / "pool.npy"
    np.save(pool, pool_raw)
    if bundles is None:
        bundles = work / "bundles-quick" if quick else work / "bundles"
        _train(pool, bundles, features, QUICK_TRAINING if quick else TRAINING)
    served = {}
    for kind in features:
        bundle = bundles / f"bundle_{kind}"
        if not (bundle / "manifest.json").exists():
            raise BenchmarkError(
                f"{bundle} is not a bundle (no manifest.json); --bundles wants a bundle_{kind} in it"
            )
        served[kind] = serve_with_index(bundle, pool, work / f"index_{kind}", name="mnist")
    return served


def _train(pool: Path, bundles: Path, features: Sequence[str], training: dict[str, int]) -> None:
    """Train one generator and bundle it with each kind of features; goes on where it was interrupted."""
    run = bundles / "run"
    bundles.mkdir(parents=True, exist_ok=True)
    options = {name.replace("_", "-"): value for name, value in training.items()}
    for kind in features:
        bundle = bundles / f"bundle_{kind}"
        if bundle.exists():
            continue
        if any(bundles.glob("bundle_*")):
            run_tool("dowser-trainer", "export", "--run", run, "--features", kind, "--out", bundle)
            continue
        train_bundle(pool, {"generator": "wgan-gp", "features": kind, **options}, run=run, bundle=bundle)


def serve_with_index(bundle: Path, pool: Path, index: Path, *, name: str) -> Served:
    """Return a bundle with its index of the pool, built where there is none of this bundle."""
    manifest = read_json(bundle / "manifest.json")
    digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    store = UnitStore(index.parent, {"bundle": digest})
    if not index.exists() or store.load(index.name) is None:
        shutil.rmtree(index, ignore_errors=True)
        seconds = run_tool(
            "dowser-server",
            "index",
            "build",
            "--bundle",
            bundle,
            "--pool",
            pool,
            "--name",
            name,
            "--out",
            index,
        )
        store.save(index.name, {"seconds": seconds})
    return Served(bundle=bundle, index=index, digest=digest, manifest=manifest)
