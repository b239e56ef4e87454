"""Builds an index directory: encode the pool, train and fill the FAISS index, measure it, publish it.

The directory appears under its name only when it is complete and on disk. Until then everything is in OUT.partial,
where a later call with the same arguments goes on. Memory is bounded by the chunk and by the FAISS index
itself, which is built in memory (4·D bytes a vector for the factories chosen here).
"""

import importlib.metadata
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from dowser.v1 import index_pb2
from query_server import errors
from query_server.files import sync
from query_server.pool.factory import choose_factory, first_line, inverted_lists, make_index
from query_server.pool.manifest import FORMAT, INDEX, MANIFEST, file_entry, files_of, write_manifest
from query_server.pool.partial import PartialPool, partial_directory, remove_build_files
from query_server.pool.tuning import Tuning, tune
from samples.preprocess import Preprocessing
from samples.sources import SampleSource

Float32Array = npt.NDArray[np.float32]
Encode = Callable[[Float32Array], Float32Array]

_TRAINING_ROWS_PER_LIST = 48  # FAISS warns below 39
# 10 rounds over 48 rows a list: recall@10 0.958 where 25 over 64 had 0.960 (1M vectors, 12 of 4096 lists).
_KMEANS_ROUNDS = 10
_MIN_TRAINING_ROWS = 4096
_ADD_ROWS = 65_536
_SEED = 0  # of the training rows and the held-out queries: one pool gives one index
_log = logging.getLogger(__name__)


def build_index(
    *,
    source: SampleSource,
    encode: Encode,
    preprocessing: Preprocessing,
    feature_dim: int,
    bundle_digest: str,
    encoder_sha256: str = "",
    out: Path,
    pool: str,
    threads: int,
    chunk: int = 4096,
    factory: str | None = None,
    recall_target: float = 0.95,
    progress: bool = True,
    resume: bool = True,
    overwrite: bool = False,
    store_samples: bool = True,
) -> index_pb2.IndexManifest:
    """Build the index directory of a pool.

    Args:
        source: The raw samples, N of them.
        encode: Model inputs float32 [n, *input_shape] to features float32 [n, D].
        preprocessing: From raw samples to model inputs.
        feature_dim: D.
        bundle_digest: Identifies the bundle the encoder is of.
        encoder_sha256: Identifies the encoder, so that the index outlives a generator; empty binds it to the bundle.
        out: The directory to make.
        pool: The pool's name.
        threads: OpenMP threads of FAISS.
        chunk: Samples encoded at a time.
        factory: A FAISS factory string; None chooses by N.
        recall_target: recall@10 that the number of probed lists is tuned to.
        progress: Show progress bars.
        resume: Go on where an interrupted build of the same pool and bundle stopped.
        overwrite: Replace an existing `out`.
        store_samples: Copy the raw samples into the index; without them the server proposes and its callers score.

    Returns:
        The manifest, as written.

    Raises:
        DowserError: INVALID_ARGUMENT (an argument, or `out` exists), SHAPE_MISMATCH (samples or features),
            NOT_FINITE (features), UNAVAILABLE (another build writes `out`).
        SampleError: a sample cannot be read.
    """
    _check(source, preprocessing, out, pool, chunk, recall_target, overwrite)
    factory = factory or choose_factory(len(source))
    index = make_index(factory, feature_dim)  # before the long part: a bad factory string fails now
    if inverted_lists(index) > len(source):
        raise errors.invalid_argument(
            "factory", factory, f"an index of at most {len(source)} lists, one a sample"
        )
    with partial_directory(out) as directory:
        partial = PartialPool(
            directory,
            source=source,
            preprocessing=preprocessing,
            feature_dim=feature_dim,
            identity={
                "format": FORMAT,
                "pool": pool,
                "bundle_digest": bundle_digest,
                "preprocessing": repr(preprocessing),
                "size": len(source),
                "feature_dim": feature_dim,
            },
            resume=resume,
            store_samples=store_samples,
        )
        _encode_pool(partial, source, encode, preprocessing, feature_dim, chunk=chunk, progress=progress)
        features = partial.features()
        faiss.omp_set_num_threads(threads)
        rng = np.random.default_rng(_SEED)
        seconds = {"encode": partial.seconds}
        seconds["train"] = _timed(lambda: _train(index, factory, features, rng))
        seconds["add"] = _timed(lambda: _add(index, features, progress=progress))
        tunings: list[Tuning] = []
        seconds["measure"] = _timed(
            lambda: tunings.append(
                tune(index, features, recall_target=recall_target, threads=threads, rng=rng)
            )
        )
        tuning = tunings[0]
        if tuning.recall_at_10 < recall_target:
            _log.warning(
                "%s: recall@10 is %.3f, below the target of %.3f, at the most lists that can be probed",
                factory,
                tuning.recall_at_10,
                recall_target,
            )
        faiss.write_index(index, str(directory / INDEX))
        names = files_of(samples=store_samples)
        for name in names:
            sync(directory / name)
        manifest = index_pb2.IndexManifest(
            format=FORMAT,
            created_unix_seconds=int(time.time()),
            pool=pool,
            size=len(source),
            feature_dim=feature_dim,
            bundle_digest=bundle_digest,
            encoder_sha256=encoder_sha256,
            preprocessing=preprocessing.to_proto(),
            factory=factory,
            nlist=inverted_lists(index),
            nprobe=tuning.nprobe,
            recall_at_10=tuning.recall_at_10,
            recall_queries=tuning.queries,
            index_version=1,
            files=[file_entry(directory / name) for name in names],
            without_samples=not store_samples,
            versions=_versions(),
            build_seconds={stage: round(spent, 3) for stage, spent in seconds.items()},
        )
        write_manifest(directory, manifest)
        sync(directory / MANIFEST)
        _publish(directory, out)
        remove_build_files(out)
    return manifest


def _check(
    source: SampleSource,
    preprocessing: Preprocessing,
    out: Path,
    pool: str,
    chunk: int,
    recall_target: float,
    overwrite: bool,
) -> None:
    if out.exists() and not overwrite:
        raise errors.invalid_argument(
            "out", str(out), "a path where nothing is yet, or overwritten on request"
        )
    if not 1 <= len(pool) <= 128:
        raise errors.invalid_argument("pool", pool, "1 to 128 characters")
    if chunk < 1:
        raise errors.invalid_argument("chunk", chunk, "at least 1")
    if not 0 < recall_target <= 1:
        raise errors.invalid_argument("recall_target", recall_target, "above 0 and at most 1")
    if source.shape != preprocessing.raw_shape:
        raise errors.shape_mismatch(preprocessing.raw_shape, source.shape, what="a sample of the pool")
    if source.dtype != np.dtype(preprocessing.raw_dtype):
        raise errors.invalid_argument(
            "samples", str(source.dtype), f"{preprocessing.raw_dtype}, as the bundle was trained on"
        )


def _encode_pool(
    partial: PartialPool,
    source: SampleSource,
    encode: Encode,
    preprocessing: Preprocessing,
    feature_dim: int,
    *,
    chunk: int,
    progress: bool,
) -> None:
    from tqdm import tqdm

    size = len(source)
    with tqdm(
        total=size, initial=partial.rows_done, desc="encode", unit="samples", disable=not progress
    ) as bar:
        while partial.rows_done < size:
            started = time.perf_counter()
            first = partial.rows_done
            raw = source.read(first, min(first + chunk, size))
            features = encode(preprocessing.to_input(raw))
            if features.shape != (len(raw), feature_dim):
                raise errors.shape_mismatch(
                    (len(raw), feature_dim), features.shape, what="the encoder's output"
                )
            _refuse_non_finite(features, first)
            partial.append(raw, features, started=started)
            bar.update(len(raw))


def _refuse_non_finite(features: Float32Array, first: int) -> None:
    bad = first + np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        named = ", ".join(str(row) for row in bad[:5].tolist()) + (", …" if len(bad) > 5 else "")
        raise errors.DowserError(
            errors.Reason.NOT_FINITE,
            f"the features of {len(bad)} samples hold NaN or infinity (rows {named}); remove these samples from "
            "the pool or train the encoder again",
            metadata={"where": "features", "index": str(bad[0])},
        )


def _train(index: faiss.Index, factory: str, features: Float32Array, rng: np.random.Generator) -> None:
    if index.is_trained:
        return
    ivf = faiss.try_extract_index_ivf(index)
    if ivf is not None:
        ivf.cp.niter = _KMEANS_ROUNDS
    count = min(len(features), max(_TRAINING_ROWS_PER_LIST * inverted_lists(index), _MIN_TRAINING_ROWS))
    rows = np.sort(rng.choice(len(features), count, replace=False))
    try:
        index.train(np.ascontiguousarray(features[rows]))
    except RuntimeError as error:
        limit = f"an index that {len(features)} vectors can train ({first_line(error)})"
        raise errors.invalid_argument("factory", factory, limit) from error


def _add(index: faiss.Index, features: Float32Array, *, progress: bool) -> None:
    from tqdm import tqdm

    with tqdm(total=len(features), desc="index", unit="vectors", disable=not progress) as bar:
        for start in range(0, len(features), _ADD_ROWS):
            block = np.ascontiguousarray(features[start : start + _ADD_ROWS])
            index.add(block)
            bar.update(len(block))


def _publish(directory: Path, out: Path) -> None:
    """Give a complete directory its name; an older one of that name goes away last."""
    sync(directory)
    old = out.with_name(out.name + ".old")
    if out.exists():
        if old.exists():
            shutil.rmtree(old)
        out.rename(old)
    directory.rename(out)
    sync(out.parent)
    if old.exists():
        shutil.rmtree(old)


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _versions() -> dict[str, str]:
    try:
        dowser = importlib.metadata.version("dowser-al")
    except importlib.metadata.PackageNotFoundError:
        dowser = "unknown"
    return {"dowser": dowser, "faiss": str(faiss.__version__), "numpy": np.__version__}
