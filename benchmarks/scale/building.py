"""One size built and measured: time by part, files, memory, opening, recall."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import UnitStore, read_json
from benchmarks.scale.made_features import likeness, make_features
from benchmarks.scale.memory import folder_bytes, run_watched
from benchmarks.scale.pools import GrownPool
from benchmarks.scale.sizes import Size
from query_server.files import sha256_of
from query_server.pool import Pool

NAME = "scale"
CODE_BYTES = 66  # a vector without samples: room for its number and eight bits a component, with D=50
_OPENINGS = 3
_CHECKED_ROWS = 2**17  # of features made elsewhere, at a time


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every size is built with.

    Attributes:
        bundle: Folder of the bundle.
        work: Folder of what is large.
        grown: The raw samples.
        threads: Of the builds.
        recall_target: That the builds tune to.
    """

    bundle: Path
    work: Path
    grown: GrownPool
    threads: int
    recall_target: float

    def folder(self, size: Size) -> Path:
        """Return where a size is kept."""
        return self.work / size.name

    def index(self, size: Size) -> Path:
        """Return the folder of its index."""
        return self.folder(size) / "index"


def build(bench: Bench, size: Size, encoded: Size | None, store: UnitStore) -> dict[str, Any]:
    """Build a size's index where it is not there yet, and return what was measured.

    Args:
        bench: What it is built with.
        size: Which.
        encoded: Whose features those of a size without samples are made of.
        store: Of finished sizes.
    """
    index, target = bench.index(size), size.recall_target or bench.recall_target
    if (done := built(size, store)) is not None and index.exists():
        return done
    peaks: dict[str, int] = {}
    if not index.exists():
        print(f"{size.name}: building", flush=True)
        given = _pool_options(bench, size, encoded)
        peaks = run_watched(
            *("dowser-server", "index", "build", "--bundle", bench.bundle, "--out", index, "--name", NAME),
            *("--threads", str(bench.threads), "--recall-target", str(target), *given),
        )
    manifest = read_json(index / "manifest.json")
    if manifest["recall_target"] != target:
        raise BenchmarkError(
            f"{index} is tuned to {manifest['recall_target']} and not to {target}: remove it"
        )
    result = {
        "size": size.count,
        "has_samples": size.has_samples,
        "factory": manifest["factory"],
        "nprobe": manifest.get("nprobe", 0),
        "refine_factor": manifest.get("refine_factor", 0),
        "choice": manifest["choice"],
        "recall_at_10": manifest["recall_at_10"],
        "held_out_recall_at_10": manifest.get("held_out_recall_at_10"),
        "recall_target": manifest["recall_target"],
        "build_seconds": manifest["build_seconds"],
        "build_memory": peaks,
        "file_bytes": folder_bytes(index),
        "pool_open_seconds": _opening(bench, index),
    }
    if encoded is not None:
        features = np.load(index / "features.npy", mmap_mode="r")
        base = bench.index(encoded) / "index.faiss"
        result["likeness"] = likeness(features, encoded.count, base, threads=bench.threads)
    _own(size, store).save(_unit(size), result)
    return result


def built(size: Size, store: UnitStore) -> dict[str, Any] | None:
    """Return what was measured when a size's index was built; None where it was not."""
    return _own(size, store).load(_unit(size))


def _unit(size: Size) -> str:
    return f"build-{size.name}"


def _own(size: Size, store: UnitStore) -> UnitStore:
    target = size.recall_target
    return store if target is None else store.narrowed({"own_recall_target": target})


def remove(bench: Bench, size: Size) -> None:
    """Remove what a size takes; the grown samples stay."""
    shutil.rmtree(bench.folder(size), ignore_errors=True)


def _pool_options(bench: Bench, size: Size, encoded: Size | None) -> list[str | Path]:
    """Return the options of the build that say what the pool is; make the file they name."""
    folder = bench.folder(size)
    folder.mkdir(parents=True, exist_ok=True)
    if size.has_samples:
        return ["--pool", bench.grown.file_of(size, folder), "--link"]
    if encoded is None or not bench.index(encoded).exists():
        raise BenchmarkError(
            f"{size.name} has features alone; they are made of those of the largest size with samples"
        )
    features = np.load(bench.index(encoded) / "features.npy", mmap_mode="r")
    path = folder / "features.npy"
    make_features(features, len(bench.grown.images), size.count, path)
    budget = CODE_BYTES * size.count + 2**26
    return [
        "--pool",
        path,
        "--encoded",
        "--link",
        "--memory-budget",
        str(budget),
        "--chunk",
        str(_CHECKED_ROWS),
    ]


def _opening(bench: Bench, index: Path) -> float:
    """Return the median time to open the pool, its files cached by the system."""
    digest = sha256_of(bench.bundle / "manifest.json")
    seconds = []
    for _ in range(_OPENINGS):
        started = time.perf_counter()
        pool = Pool.open(index, expected_bundle_digest=digest, threads=bench.threads, device="cpu")
        seconds.append(time.perf_counter() - started)
        pool.close()
    return float(np.median(seconds))
