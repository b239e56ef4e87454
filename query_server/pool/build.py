"""Builds an index directory: encode the pool, train and fill the FAISS index, measure it, publish it.

The directory appears under its name only when it is complete and on disk. Until then everything is in OUT.partial,
where a later call with the same arguments goes on: after the last chunk encoded, the training, the last block added.
Memory is bounded by the chunk, the training sample and one block; a flat index is held whole (4·D bytes a vector).
"""

import importlib.metadata
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from dowser.v1 import index_pb2
from query_server import errors
from query_server.files import sync
from query_server.pool.arrays import Streamed
from query_server.pool.factory import Choice, choose_index, inverted_lists, make_index
from query_server.pool.ids import IdOrder, order_of, rows_by_id
from query_server.pool.index import FeatureIndex
from query_server.pool.manifest import (
    FEATURES,
    FORMAT,
    ID_ORDERS,
    MANIFEST,
    POOL_ID_ORDER,
    SAMPLES,
    file_entry,
    files_of,
    write_manifest,
)
from query_server.pool.partial import PartialPool, partial_directory, remove_build_files
from query_server.pool.partial_index import PartialIndex, remove_index_files
from query_server.pool.tuning import QUERIES, Tuning, tune
from samples.preprocess import Preprocessing
from samples.sources import SampleSource

Float32Array = npt.NDArray[np.float32]
Encode = Callable[[Float32Array], Float32Array]

#: Returns features float32 [n, D] of n synthetic samples, the same at every call.
Synthesize = Callable[[int], Float32Array]

_SEED = 0  # of the held-out queries
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
    choice = _choice(factory, len(source), feature_dim, recall_target, memory_budget_bytes)
    nlist = inverted_lists(
        make_index(choice.factory, feature_dim)
    )  # before the long part: a bad one fails now
    if nlist > len(source):
        raise errors.invalid_argument(
            "factory", choice.factory, f"an index of at most {len(source)} lists, one a sample"
        )
    _log.info(
        "pool %s: %s for %d vectors of %d: %s; %d thread(s), which the encoder and FAISS have in turns",
        *(pool, choice.factory, len(source), feature_dim, choice.why, threads),
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
                "size": len(source),
                "feature_dim": feature_dim,
                **({"encoded": True} if encoded else {}),
            },
            resume=resume,
            store_samples=store_samples,
            linked=_linked(encoded=encoded, store_samples=store_samples) if link else None,
        )
        to_features = _as_they_are if encoded else lambda raw: encode(preprocessing.to_input(raw))
        _encode_pool(partial, source, to_features, feature_dim, chunk=chunk, progress=progress)
        features = Streamed(partial.features())
        unfinished = PartialIndex(
            directory, factory=choice.factory, features=features, threads=threads, progress=progress
        )
        index_file = unfinished.finish()
        started = time.perf_counter()
        tuning = tune(
            FeatureIndex.open(
                index_file, nprobe=min(nlist, 1), threads=threads, features=features, device="cpu"
            ),
            features,
            recall_target=recall_target,
            threads=threads,
            rng=np.random.default_rng(_SEED),
            queries=queries,
        )
        measuring = time.perf_counter() - started
        _tell(choice, tuning, recall_target, synthetic=queries is not None)
        id_order = order_of(partial.ids())
        if id_order is IdOrder.ANY:
            np.save(directory / POOL_ID_ORDER, rows_by_id(partial.ids()))
        names = files_of(samples=store_samples, id_order=id_order)
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
            factory=choice.factory,
            nlist=nlist,
            nprobe=tuning.nprobe,
            refine_factor=tuning.refine_factor,
            recall_at_10=tuning.recall_at_10,
            recall_queries=tuning.queries,
            recall_query_kind=index_pb2.QUERY_KIND_HELD_OUT
            if queries is None
            else index_pb2.QUERY_KIND_SYNTHETIC,
            held_out_recall_at_10=tuning.held_out_recall_at_10,
            recall_target=recall_target,
            memory_budget_bytes=memory_budget_bytes or 0,
            choice=choice.why,
            id_order=ID_ORDERS[id_order],
            index_version=1,
            files=[file_entry(directory / name) for name in names],
            without_samples=not store_samples,
            versions=_versions(),
            build_seconds={
                stage: round(spent, 3)
                for stage, spent in {
                    "encode": partial.seconds,
                    **unfinished.seconds,
                    "measure": measuring,
                }.items()
            },
        )
        write_manifest(directory, manifest)
        sync(directory / MANIFEST)
        _publish(directory, out)
        remove_build_files(out)
        remove_index_files(out)
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
    _refuse_non_finite(queries, 0, what="synthetic samples")
    return queries


def _tell(choice: Choice, tuning: Tuning, recall_target: float, *, synthetic: bool) -> None:
    said = f"{choice.factory}: recall@10 {tuning.recall_at_10:.3f} on {tuning.queries} "
    said += "synthetic queries" if synthetic else "held-out queries"
    said += f" ({tuning.held_out_recall_at_10:.3f} on held-out ones)" if synthetic else ""
    _log.info("%s, %d lists probed, %d candidates a neighbor", said, tuning.nprobe, tuning.refine_factor)
    if tuning.recall_at_10 < recall_target:
        _log.warning(
            "%s, below the target of %.3f; build with a larger --memory-budget or another --factory",
            said,
            recall_target,
        )


def _linked(*, encoded: bool, store_samples: bool) -> str:
    """Return the file that the pool's own can be."""
    if not encoded and not store_samples:
        raise errors.invalid_argument(
            "link", True, "false where samples are not stored: nothing would be copied"
        )
    return FEATURES if encoded else SAMPLES


def _as_they_are(raw: npt.NDArray[Any]) -> Float32Array:
    return np.asarray(raw, np.float32)


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


def _encode_pool(
    partial: PartialPool,
    source: SampleSource,
    to_features: Callable[[npt.NDArray[Any]], Float32Array],
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
            features = to_features(raw)
            if features.shape != (len(raw), feature_dim):
                raise errors.shape_mismatch(
                    (len(raw), feature_dim), features.shape, what="the encoder's output"
                )
            _refuse_non_finite(features, first)
            partial.append(raw, features, started=started)
            bar.update(len(raw))


def _refuse_non_finite(features: Float32Array, first: int, *, what: str = "samples") -> None:
    bad = first + np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        named = ", ".join(str(row) for row in bad[:5].tolist()) + (", …" if len(bad) > 5 else "")
        raise errors.DowserError(
            errors.Reason.NOT_FINITE,
            f"the features of {len(bad)} {what} hold NaN or infinity (rows {named}); remove these samples from "
            "the pool or train the encoder again",
            metadata={"where": "features", "index": str(bad[0])},
        )


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


def _versions() -> dict[str, str]:
    try:
        dowser = importlib.metadata.version("dowser-al")
    except importlib.metadata.PackageNotFoundError:
        dowser = "unknown"
    return {"dowser": dowser, "faiss": str(faiss.__version__), "numpy": np.__version__}
