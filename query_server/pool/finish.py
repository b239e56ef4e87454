"""The second half of an index build: from features on disk to an index directory that can be served."""

import importlib.metadata
import logging
import time
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from dowser.v1 import index_pb2
from query_server.files import sync
from query_server.pool.arrays import Streamed
from query_server.pool.blocks import FillBlocks
from query_server.pool.factory import inverted_lists, make_index
from query_server.pool.ids import IdOrder, order_of, rows_by_id
from query_server.pool.index import FeatureIndex
from query_server.pool.manifest import (
    FEATURES,
    ID_ORDERS,
    MANIFEST,
    POOL_ID_ORDER,
    POOL_IDS,
    file_entry,
    files_of,
    write_manifest,
)
from query_server.pool.partial import remove_build_files
from query_server.pool.partial_index import PartialIndex, remove_index_files
from query_server.pool.tuning import Tuning, tune

Float32Array = npt.NDArray[np.float32]

_SEED = 0  # of the held-out queries
_log = logging.getLogger(__name__)


def finish_index(
    directory: Path,
    draft: index_pb2.IndexManifest,
    *,
    queries: Float32Array | None,
    threads: int,
    progress: bool,
    fill: FillBlocks | None = None,
) -> index_pb2.IndexManifest:
    """Train, fill and tune the index of a directory that holds features, ids and samples; on disk when this returns.

    Args:
        directory: Where they are.
        draft: The manifest, without what is found out here.
        queries: float32 [Q, D] to tune with; None takes held-out ones.
        threads: OpenMP threads of FAISS.
        progress: Show progress bars.
        fill: As `PartialIndex` takes it.

    Returns:
        The manifest, as written.

    Raises:
        DowserError: INVALID_ARGUMENT if these vectors cannot train such an index.
    """
    nlist = inverted_lists(make_index(draft.factory, draft.feature_dim))
    features = Streamed(np.load(directory / FEATURES, mmap_mode="r"))
    ids = np.load(directory / POOL_IDS, mmap_mode="r")
    unfinished = PartialIndex(
        directory,
        factory=draft.factory,
        features=features,
        threads=threads,
        progress=progress,
        fill=fill,
    )
    index_file = unfinished.finish()
    started = time.perf_counter()
    tuning = tune(
        FeatureIndex.open(index_file, nprobe=min(nlist, 1), threads=threads, features=features, device="cpu"),
        features,
        recall_target=draft.recall_target,
        threads=threads,
        rng=np.random.default_rng(_SEED),
        queries=queries,
    )
    measuring = time.perf_counter() - started
    _tell(draft.factory, tuning, draft.recall_target, synthetic=queries is not None)
    id_order = order_of(ids)
    if id_order is IdOrder.ANY:
        np.save(directory / POOL_ID_ORDER, rows_by_id(ids))
    names = files_of(samples=not draft.without_samples, id_order=id_order)
    for name in names:
        sync(directory / name)
    manifest = index_pb2.IndexManifest()
    manifest.CopyFrom(draft)
    found = index_pb2.IndexManifest(
        created_unix_seconds=int(time.time()),
        nlist=nlist,
        nprobe=tuning.nprobe,
        refine_factor=tuning.refine_factor,
        recall_at_10=tuning.recall_at_10,
        recall_queries=tuning.queries,
        recall_query_kind=index_pb2.QUERY_KIND_HELD_OUT
        if queries is None
        else index_pb2.QUERY_KIND_SYNTHETIC,
        held_out_recall_at_10=tuning.held_out_recall_at_10,
        id_order=ID_ORDERS[id_order],
        files=[file_entry(directory / name) for name in names],
        versions=_versions(),
        build_seconds={
            stage: round(spent, 3) for stage, spent in {**unfinished.seconds, "measure": measuring}.items()
        },
    )
    manifest.MergeFrom(found)
    write_manifest(directory, manifest)
    sync(directory / MANIFEST)
    return manifest


def remove_leftovers(directory: Path) -> None:
    """Remove from a finished index what only its build needed."""
    remove_build_files(directory)
    remove_index_files(directory)


def _tell(factory: str, tuning: Tuning, recall_target: float, *, synthetic: bool) -> None:
    said = f"{factory}: recall@10 {tuning.recall_at_10:.3f} on {tuning.queries} "
    said += "synthetic queries" if synthetic else "held-out queries"
    said += f" ({tuning.held_out_recall_at_10:.3f} on held-out ones)" if synthetic else ""
    _log.info("%s, %d lists probed, %d candidates a neighbor", said, tuning.nprobe, tuning.refine_factor)
    if tuning.recall_at_10 < recall_target:
        _log.warning(
            "%s, below the target of %.3f; build with a larger --memory-budget or another --factory",
            said,
            recall_target,
        )


def _versions() -> dict[str, str]:
    try:
        dowser = importlib.metadata.version("dowser-al")
    except importlib.metadata.PackageNotFoundError:
        dowser = "unknown"
    return {"dowser": dowser, "faiss": str(faiss.__version__), "numpy": np.__version__}
