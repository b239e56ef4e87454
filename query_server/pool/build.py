"""Builds an index directory: encode the pool, train and fill the FAISS index, measure it, publish it.

The directory appears under its name only when it is complete and on disk. Until then everything is in OUT.partial,
where a later call with the same arguments goes on: after the last chunk encoded, the training, the last block added.
Memory is bounded by the chunk, the training sample and one block; a flat index is held whole (4·D bytes a vector).
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dowser.v1 import index_pb2
from query_server import errors
from query_server.files import sync
from query_server.pool.encoding import (
    Encode,
    Encoded,
    Float32Array,
    SpanEncoder,
    SpanReader,
    refuse_non_finite,
)
from query_server.pool.factory import Choice, choose_index, inverted_lists, make_index
from query_server.pool.finish import finish_index, remove_leftovers
from query_server.pool.manifest import FEATURES, FORMAT, SAMPLES
from query_server.pool.partial import PartialPool, partial_directory
from query_server.pool.tuning import QUERIES
from query_server.pool.workers import BuildWorkers
from samples.preprocess import Preprocessing
from samples.sources import SampleSource

#: Returns features float32 [n, D] of n synthetic samples, the same at every call.
Synthesize = Callable[[int], Float32Array]

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
    memory_budget_bytes: int | None = None,
    synthesize: Synthesize | None = None,
    progress: bool = True,
    resume: bool = True,
    overwrite: bool = False,
    store_samples: bool = True,
    workers: BuildWorkers | None = None,
    link: bool = False,
    encoded: bool = False,
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
        factory: A FAISS factory string; None chooses by N, the recall and the budget.
        recall_target: recall@10 that the number of probed lists is tuned to.
        memory_budget_bytes: What the index file may take, all of it in memory; None means any size.
        synthesize: Makes the queries to tune with; without it, held-out ones are used.
        progress: Show progress bars.
        resume: Go on where an interrupted build of the same pool and bundle stopped.
        overwrite: Replace an existing `out`.
        store_samples: Copy the raw samples into the index; without them the server proposes and its callers score.
        workers: Encode and fill blocks; None does both here. A build may go on with others than it began with.
        link: Do not copy what the pool's .npy file holds but give that file a second name in the index; whoever writes
            to it then changes the index.
        encoded: The source holds features float32 [N, D] that this encoder made elsewhere, and not samples.

    Returns:
        The manifest, as written.

    Raises:
        DowserError: INVALID_ARGUMENT (an argument, or `out` exists), SHAPE_MISMATCH (samples or features),
            NOT_FINITE (features), UNAVAILABLE (another build writes `out`).
        SampleError: a sample cannot be read.
    """
    _check(out, pool, chunk, recall_target, overwrite)
    if encoded:
        _check_features(source, feature_dim, store_samples=store_samples)
    else:
        _check_samples(source, preprocessing)
    size = len(source)
    choice = _choice(factory, size, feature_dim, recall_target, memory_budget_bytes)
    nlist = inverted_lists(
        make_index(choice.factory, feature_dim)
    )  # before the long part: a bad one fails now
    if nlist > size:
        raise errors.invalid_argument(
            "factory", choice.factory, f"an index of at most {size} lists, one a sample"
        )
    _log.info(
        "pool %s: %s for %d vectors of %d: %s; %d thread(s), which the encoder and FAISS have in turns",
        *(pool, choice.factory, size, feature_dim, choice.why, threads),
    )
    queries = None if synthesize is None else _queries(synthesize, feature_dim)
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
                "size": size,
                "feature_dim": feature_dim,
                **({"encoded": True} if encoded else {}),
            },
            resume=resume,
            store_samples=store_samples,
            linked=_linked(encoded=encoded, store_samples=store_samples) if link else None,
        )
        spans = [(row, min(row + chunk, size)) for row in range(partial.rows_done, size, chunk)]
        read: SpanEncoder | SpanReader
        if encoded:
            read = SpanReader(source=source)
        else:
            read = SpanEncoder(
                source=source, encode=encode, preprocessing=preprocessing, feature_dim=feature_dim
            )
        elsewhere = workers is not None and spans and not encoded
        chunks = workers.encode(spans) if workers and elsewhere else (read(*span) for span in spans)
        _encode_pool(partial, size, chunks, progress=progress)
        manifest = finish_index(
            directory,
            index_pb2.IndexManifest(
                format=FORMAT,
                pool=pool,
                size=size,
                feature_dim=feature_dim,
                bundle_digest=bundle_digest,
                encoder_sha256=encoder_sha256,
                preprocessing=preprocessing.to_proto(),
                factory=choice.factory,
                recall_target=recall_target,
                memory_budget_bytes=memory_budget_bytes or 0,
                choice=choice.why,
                index_version=1,
                without_samples=not store_samples,
                build_seconds={"encode": round(partial.seconds, 3)},
            ),
            queries=queries,
            threads=threads,
            progress=progress,
            fill=None if workers is None else workers.fill,
        )
        _publish(directory, out)
        remove_leftovers(out)
    return manifest


def _choice(
    factory: str | None, size: int, feature_dim: int, recall_target: float, memory_budget_bytes: int | None
) -> Choice:
    if factory is not None:
        return Choice(factory=factory, why="asked for")
    return choose_index(
        size, feature_dim, recall_target=recall_target, memory_budget_bytes=memory_budget_bytes
    )


def _queries(synthesize: Synthesize, feature_dim: int) -> Float32Array:
    """Return features float32 [Q, D] of synthetic samples."""
    queries = np.ascontiguousarray(synthesize(QUERIES), np.float32)
    if queries.ndim != 2 or queries.shape[1] != feature_dim:
        raise errors.shape_mismatch(("n", feature_dim), queries.shape, what="the synthetic queries")
    refuse_non_finite(queries, 0, what="synthetic samples")
    return queries


def _linked(*, encoded: bool, store_samples: bool) -> str:
    """Return the file that the pool's own can be."""
    if not encoded and not store_samples:
        raise errors.invalid_argument(
            "link", True, "false where samples are not stored: nothing would be copied"
        )
    return FEATURES if encoded else SAMPLES


def _check(out: Path, pool: str, chunk: int, recall_target: float, overwrite: bool) -> None:
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


def _check_features(source: SampleSource, feature_dim: int, *, store_samples: bool) -> None:
    if store_samples:
        raise errors.invalid_argument("store_samples", True, "false where the pool holds features")
    if source.shape != (feature_dim,) or source.dtype != np.float32:
        raise errors.shape_mismatch((feature_dim,), source.shape, what=f"{source.dtype} features of the pool")


def _check_samples(source: SampleSource, preprocessing: Preprocessing) -> None:
    if source.shape != preprocessing.raw_shape:
        raise errors.shape_mismatch(preprocessing.raw_shape, source.shape, what="a sample of the pool")
    if source.dtype != np.dtype(preprocessing.raw_dtype):
        raise errors.invalid_argument(
            "samples", str(source.dtype), f"{preprocessing.raw_dtype}, as the bundle was trained on"
        )


def _encode_pool(partial: PartialPool, size: int, encoded: Iterator[Encoded], *, progress: bool) -> None:
    """Write all that is not yet, in order."""
    from tqdm import tqdm

    with tqdm(
        total=size, initial=partial.rows_done, desc="encode", unit="samples", disable=not progress
    ) as bar:
        started = time.perf_counter()
        for raw, features in encoded:
            partial.append(raw, features, started=started)
            bar.update(len(raw))
            started = time.perf_counter()


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
