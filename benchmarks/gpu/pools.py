"""Pools of features and their indexes on the CPU: a seeded mixture of Gaussians, or what an index's folder holds."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import read_json, write_json
from benchmarks.gpu.networks import FEATURE_DIM
from query_server.pool import read_manifest
from query_server.pool.factory import choose_index, inverted_lists, make_index
from query_server.pool.index import FeatureIndex
from query_server.pool.manifest import FEATURES, INDEX
from query_server.pool.tuning import tune

COMPONENTS = 2_000
SPREAD = 4.0  # of the components' centers, in standard deviations of a component
CHUNK = 1_000_000
TRAINED_ON = 40  # rows a list
TARGET = 0.95


@dataclass(frozen=True, kw_only=True)
class PoolFiles:
    """A pool on disk.

    Attributes:
        label: For example "16m".
        features: float32 [N, 50], mapped.
        index: FAISS index file.
        nprobe: Lists that reach the recall.
        recall_at_10: With them, on held-out queries.
        seconds: What making it took; 0 where it was there.
    """

    label: str
    features: NDArray[np.float32]
    index: Path
    nprobe: int
    recall_at_10: float
    seconds: float


def make_pool(
    label: str, size: int, work: Path, *, threads: int, factory: str | None = None, seed: int = 0
) -> PoolFiles:
    """Return a pool of the mixture, made where it is not there yet.

    Args:
        label: Its name.
        size: N.
        work: Gets a folder with its files.
        threads: Of everything.
        factory: FAISS's string of its index; None takes what ``index build`` would.
        seed: Of the mixture.

    Raises:
        BenchmarkError: The disk has no room.
    """
    folder = work / f"pool-{label}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done.json"
    features_file, index_file = folder / "features.npy", folder / "index.faiss"
    factory = factory or choose_index(size, FEATURE_DIM).factory
    parameters = {
        "size": size,
        "seed": seed,
        "components": COMPONENTS,
        "spread": SPREAD,
        "factory": factory,
    }
    told = read_json(done) if done.exists() else {}
    if told.get("parameters") != parameters:
        needed = 2 * size * (4 * FEATURE_DIM + 8)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise BenchmarkError(
                f"{folder}: pool {label} takes {needed / 2**30:.0f} GiB and {free / 2**30:.0f} GiB are free; choose "
                "another --out or smaller --sizes"
            )
        started = perf_counter()
        features = _mixture(features_file, size, threads=threads, seed=seed)
        _build(index_file, features, factory, threads=threads, seed=seed)
        nprobe, recall = _tuned(index_file, features, threads=threads)
        told = {
            "parameters": parameters,
            "nprobe": nprobe,
            "recall_at_10": recall,
            "seconds": perf_counter() - started,
        }
        write_json(done, told)
    return PoolFiles(
        label=label,
        features=np.load(features_file, mmap_mode="r"),
        index=index_file,
        nprobe=told["nprobe"],
        recall_at_10=told["recall_at_10"],
        seconds=told["seconds"],
    )


def open_index_folder(folder: Path) -> PoolFiles:
    """Return the pool of an index that ``dowser-server index build`` made; of uncompressed vectors of 50 dimensions.

    Raises:
        DowserError: CORRUPT_FILE.
        BenchmarkError: It is of another kind.
    """
    manifest = read_manifest(folder)
    if manifest.feature_dim != FEATURE_DIM or manifest.refine_factor:
        raise BenchmarkError(
            f"{folder}: {manifest.factory} of {manifest.feature_dim} dimensions; this recipe takes indexes of "
            f"uncompressed vectors of {FEATURE_DIM}"
        )
    return PoolFiles(
        label=folder.name,
        features=np.load(folder / FEATURES, mmap_mode="r"),
        index=folder / INDEX,
        nprobe=int(manifest.nprobe),
        recall_at_10=float(manifest.recall_at_10),
        seconds=0.0,
    )


def _mixture(path: Path, size: int, *, threads: int, seed: int) -> NDArray[np.float32]:
    """Write the features; chunk i draws from (seed, i), so that a pool is the beginning of every larger one."""
    centers = np.random.default_rng(seed).standard_normal((COMPONENTS, FEATURE_DIM), dtype=np.float32)
    centers *= SPREAD
    features = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(size, FEATURE_DIM))

    def fill(chunk: int) -> None:
        rng = np.random.default_rng([seed, chunk])
        count = min(CHUNK, size - chunk * CHUNK)
        drawn = rng.standard_normal((count, FEATURE_DIM), dtype=np.float32)
        drawn += centers[rng.integers(COMPONENTS, size=count)]
        features[chunk * CHUNK : chunk * CHUNK + count] = drawn

    with ThreadPoolExecutor(threads) as pool:
        chunks = -(-size // CHUNK)
        list(tqdm(pool.map(fill, range(chunks)), total=chunks, desc=f"features of {path.parent.name}"))
    features.flush()
    written: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return written


def _build(path: Path, features: NDArray[np.float32], factory: str, *, threads: int, seed: int) -> None:
    faiss.omp_set_num_threads(threads)
    size = len(features)
    made = make_index(factory, FEATURE_DIM)
    lists = inverted_lists(made)
    if lists:
        faiss.extract_index_ivf(made).cp.niter = 10
        rows = np.random.default_rng(seed).choice(size, min(size, TRAINED_ON * lists), replace=False)
        made.train(np.ascontiguousarray(features[np.sort(rows)]))
    for start in tqdm(range(0, size, CHUNK), desc=f"{factory} of {path.parent.name}"):
        made.add(np.ascontiguousarray(features[start : start + CHUNK]))
    faiss.write_index(made, str(path))


def _tuned(path: Path, features: NDArray[np.float32], *, threads: int) -> tuple[int, float]:
    """Return the lists that reach the recall, and what they reach."""
    index = FeatureIndex.open(path, nprobe=1, threads=threads, device="cpu")
    if not index.nlist:
        return 0, 1.0
    tuning = tune(index, features, recall_target=TARGET, threads=threads, rng=np.random.default_rng(0))
    return tuning.nprobe, tuning.recall_at_10
