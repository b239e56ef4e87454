"""The pool as the rest of the server sees it: one state of it, which never changes.

Opening an index directory maps the files and reads only the manifest and the index's header. `changed` makes the states
that follow, of the same index with samples added beside it and samples removed. Rows are positions and never leave the
server; they mean the same in every state over one index. Pool ids are what callers know.
"""

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from dowser.v1 import index_pb2
from query_server import errors
from query_server.open_rows import OpenRows
from query_server.pool.around import KnownNeighbors
from query_server.pool.arrays import map_array, take_rows
from query_server.pool.exact import exact_neighbors
from query_server.pool.filtered import AvailableNeighbors, search_available
from query_server.pool.gpu import GpuIndexOptions
from query_server.pool.ids import IdOrder, PoolIds
from query_server.pool.index import Device, FeatureIndex, check_features
from query_server.pool.manifest import (
    FEATURES,
    INDEX,
    MANIFEST,
    POOL_ID_ORDER,
    POOL_IDS,
    SAMPLES,
    check_bundle,
    check_files,
    id_order_of,
    read_manifest,
)
from query_server.pool.segments import Added, Stacked, nearest_of_both
from query_server.pool.store import SampleStore
from samples.errors import SampleError
from samples.mapped import forget_pages
from samples.preprocess import Preprocessing

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]


class Pool:
    """Real samples with their features, index and ids. Thread-safe; read-only.

    Attributes:
        name: The pool's name.
        size: Samples that can be selected; removed ones do not count.
        rows: Rows, the length R of masks; removed samples keep theirs.
        added: Of the size, samples added beside the index.
        removed: Samples that were removed.
        feature_dim: D.
        index_version: Grows with every visible change of the pool.
        preprocessing: From a raw sample to a model input.
        input_shape: Of one model input x, without the batch.
        raw_shape: Of one raw sample.
        raw_dtype: Of raw samples.
        has_samples: Whether the samples themselves are here, or only their features.
        manifest: The index's manifest.
    """

    def __init__(
        self,
        *,
        manifest: index_pb2.IndexManifest,
        preprocessing: Preprocessing,
        index: FeatureIndex,
        features: Float32Array,
        store: SampleStore | None,
        ids: PoolIds,
        threads: int,
        added: Added | None = None,
        alive: npt.NDArray[np.bool_] | None = None,
        removed: int = 0,
        index_version: int | None = None,
        around: KnownNeighbors | None = None,
    ) -> None:
        self.manifest = manifest
        self.name: str = manifest.pool
        self.rows = index.size + (0 if added is None else len(added))
        self.size = self.rows if alive is None else int(np.count_nonzero(alive))
        self.added = 0 if added is None else len(added) if alive is None else int(alive[index.size :].sum())
        self.removed = removed
        self.feature_dim = int(manifest.feature_dim)
        self.index_version = int(manifest.index_version) if index_version is None else index_version
        self.preprocessing = preprocessing
        self.input_shape = preprocessing.input_shape
        self.raw_shape = preprocessing.raw_shape
        self.raw_dtype: np.dtype[Any] = np.dtype(preprocessing.raw_dtype)
        self.has_samples = store is not None
        self._index = index
        self._features = features
        self._store = store
        self._ids = ids
        self._threads = threads
        self._added = added
        self._alive = alive
        self._around = around or KnownNeighbors(index, features, threads=threads)
        self._read_features: npt.NDArray[np.float32] | Stacked = features
        self._read_store = store
        if added is not None:
            self._read_features = Stacked(features, added.features)
            if store is not None and added.samples is not None:
                self._read_store = store.extended(added.samples)

    @classmethod
    def open(
        cls,
        index_dir: Path,
        *,
        expected_bundle_digest: str,
        expected_encoder_sha256: str | None = None,
        threads: int = 1,
        device: Device = "auto",
        gpu: GpuIndexOptions | None = None,
        verify: bool = False,
    ) -> Self:
        """Open an index directory.

        Args:
            index_dir: What `build_index` made.
            expected_bundle_digest: Of the bundle that is served with it.
            expected_encoder_sha256: Of that bundle's encoder; one equal to the index's makes another digest do.
            threads: OpenMP threads of each search.
            device: Where to search; "auto" takes a GPU if FAISS has one.
            gpu: How it may use one.
            verify: Hash every file and compare; reads all of them.

        Raises:
            DowserError: CORRUPT_FILE naming the file that is missing, damaged or belongs to another bundle.
        """
        manifest = read_manifest(index_dir)
        check_bundle(index_dir, manifest, expected_bundle_digest, expected_encoder_sha256)
        check_files(index_dir, manifest, verify=verify)
        try:
            preprocessing = Preprocessing.from_proto(manifest.preprocessing)
        except SampleError as error:
            raise errors.corrupt_file(index_dir / MANIFEST, f"{error}; build the index again") from error
        size, feature_dim = int(manifest.size), int(manifest.feature_dim)
        store = None
        if not manifest.without_samples:
            samples = map_array(
                index_dir / SAMPLES, (size, *preprocessing.raw_shape), np.dtype(preprocessing.raw_dtype)
            )
            store = SampleStore(samples, preprocessing)
        features = map_array(index_dir / FEATURES, (size, feature_dim), np.float32)
        index = FeatureIndex.open(
            index_dir / INDEX,
            nprobe=int(manifest.nprobe),
            threads=threads,
            refine_factor=int(manifest.refine_factor),
            features=features,
            device=device,
            gpu=gpu,
        )
        if (index.size, index.feature_dim) != (size, feature_dim):
            raise errors.corrupt_file(
                index_dir / INDEX,
                f"holds {index.size} vectors of dimension {index.feature_dim}, the manifest says {size} of "
                f"{feature_dim}; build the index again",
            )
        return cls(
            manifest=manifest,
            preprocessing=preprocessing,
            index=index,
            features=features,
            store=store,
            ids=_open_ids(index_dir, manifest),
            threads=threads,
        )

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the index searches; a GPU that fails is left."""
        return self._index.device

    def close(self) -> None:
        """Give the GPU back, where one was used; maps end with the object."""
        self._index.close()

    @property
    def base_ids(self) -> PoolIds:
        """The ids of the index's own samples, removed ones too."""
        return self._ids

    def changed(
        self,
        *,
        added: Added | None,
        alive: npt.NDArray[np.bool_] | None,
        removed: int,
        index_version: int,
    ) -> "Pool":
        """Return another state over the same index.

        Args:
            added: All samples added beside the index.
            alive: bool [N + A], false where removed or passed over; None where nothing is.
            removed: Samples removed.
            index_version: The state's.
        """
        return Pool(
            manifest=self.manifest,
            preprocessing=self.preprocessing,
            index=self._index,
            features=self._features,
            store=self._store,
            ids=self._ids,
            threads=self._threads,
            added=added,
            alive=alive,
            removed=removed,
            index_version=index_version,
            around=self._around,
        )

    def alive(self) -> npt.NDArray[np.bool_]:
        """Return bool [R], false where removed; the caller's own copy."""
        return np.ones(self.rows, bool) if self._alive is None else self._alive.copy()

    def open_rows(self, closed: Int64Array) -> OpenRows:
        """Return the rows [R] that are neither removed nor closed int64 [n]."""
        return OpenRows(self.rows, closed, alive=self._alive, alive_count=self.size)

    def search(self, features: Float32Array, k: int) -> tuple[Float32Array, Int64Array]:
        """Find the k nearest rows of each query.

        Args:
            features: float32 [Q, D].
            k: Neighbors per query; more than the size means the size.

        Returns:
            (distances float32 [Q, k] Euclidean ascending, rows int64 [Q, k]), padded with infinity and -1.

        Raises:
            DowserError: SHAPE_MISMATCH, NOT_FINITE or INVALID_ARGUMENT (k below 1).
        """
        if self._alive is not None:
            everything = self.open_rows(np.empty(0, np.int64))
            distances, rows, _ = self.search_available(features, k, everything)
            return distances, rows
        found = self._index.search(features, k, exact=True)
        if self._added is None:
            return found
        beside = self._scan(features, min(k, len(self._added)), None)
        return nearest_of_both(found, beside, k, base_rows=self._index.size)

    def search_available(self, features: Float32Array, k: int, available: OpenRows) -> AvailableNeighbors:
        """Find the k nearest rows of each query among the available ones of R; removed ones never are.

        The index's own samples as the index finds them, the added ones by an exact scan, O(Q · A · D).

        Returns:
            (distances float32 [Q, k'], rows int64 [Q, k'], visited), k' = min(k, size); padded only where fewer than k
            are available.

        Raises:
            DowserError: SHAPE_MISMATCH, NOT_FINITE or INVALID_ARGUMENT (k below 1).
        """
        available = self._among_the_alive(available)
        of_base = search_available(
            self._index, self._features, features, k, self._in_base(available), threads=self._threads
        )
        return self._with_added(of_base, features, k, available)

    def search_around(self, rows: Int64Array, k: int, available: OpenRows) -> AvailableNeighbors:
        """Find the k nearest rows of each of some rows int64 [Q], as ``search_available`` of their features does.

        What the index finds near a row is kept, so asking again costs no search.
        """
        available = self._among_the_alive(available)
        features = self.features(rows)
        of_base = self._around.search_available(rows, features, k, self._in_base(available))
        return self._with_added(of_base, features, k, available)

    def _among_the_alive(self, available: OpenRows) -> OpenRows:
        if len(available) != self.rows:
            raise errors.shape_mismatch((self.rows,), (len(available),), what="available")
        return available if self._alive is None else available.among(self._alive, self.size)

    def _in_base(self, available: OpenRows) -> OpenRows:
        if self._added is None:
            return available
        return available.part(0, self._index.size, alive_count=self.size - self.added)

    def _with_added(
        self, of_base: AvailableNeighbors, features: Float32Array, k: int, available: OpenRows
    ) -> AvailableNeighbors:
        """Put the nearest among the added rows, found by a scan, among those of the index."""
        base_rows = self._index.size
        k = min(k, self.size)
        if self._added is None:
            return AvailableNeighbors(of_base.distances[:, :k], of_base.rows[:, :k], of_base.visited)
        beside = available.part(base_rows, self.rows, alive_count=self.added).mask()
        scanned = self._scan(features, min(k, len(self._added)), beside)
        distances, rows = nearest_of_both(of_base[:2], scanned, k, base_rows=base_rows)
        return AvailableNeighbors(
            distances, rows, of_base.visited + len(features) * int(np.count_nonzero(beside))
        )

    def forget_pages(self) -> None:
        """Take what was read of the files out of this process's memory, for passes over all of them."""
        forget_pages(self._features)
        if self._store is not None:
            self._store.forget_pages()

    def features(self, rows: Int64Array) -> Float32Array:
        """Return features float32 [n, D] of rows int64 [n], removed ones too; IndexError outside 0…R-1."""
        features: Float32Array = take_rows(self._read_features, rows)
        return features

    def inputs(self, rows: Int64Array) -> Float32Array:
        """Return model inputs float32 [n, *input_shape] of rows int64 [n]; IndexError outside 0…R-1.

        Raises:
            DowserError: SAMPLES_NOT_STORED.
        """
        return self._samples().inputs(rows)

    def raw(self, rows: Int64Array) -> npt.NDArray[Any]:
        """Return raw samples [n, *raw_shape] of rows int64 [n]; IndexError outside 0…R-1.

        Raises:
            DowserError: SAMPLES_NOT_STORED.
        """
        return self._samples().read(rows)

    def ids_of(self, rows: Int64Array) -> UInt64Array:
        """Return pool ids uint64 [n] of rows int64 [n]; IndexError outside 0…R-1."""
        base_rows = self._index.size
        if self._added is None or not np.any(rows >= base_rows):
            return self._ids.ids_of(rows)
        ids = np.empty(len(rows), np.uint64)
        beside = rows >= base_rows
        ids[~beside] = self._ids.ids_of(rows[~beside])
        ids[beside] = self._added.ids.ids_of(rows[beside] - base_rows)
        return ids

    def rows_of(self, pool_ids: UInt64Array) -> Int64Array:
        """Return rows int64 [n] of pool ids uint64 [n], -1 where unknown or removed."""
        rows = self._ids.rows_of(pool_ids)
        if self._added is not None and (rows < 0).any():
            of_added = self._added.ids.rows_of(np.asarray(pool_ids, np.uint64)[rows < 0])
            rows[rows < 0] = np.where(of_added < 0, -1, of_added + self._index.size)
        if self._alive is not None:
            rows = np.where((rows >= 0) & self._alive[rows], rows, -1)
        return rows

    def _scan(
        self, features: Float32Array, k: int, available: npt.NDArray[np.bool_] | None
    ) -> tuple[Float32Array, Int64Array]:
        """Find the nearest added rows, counted from the first of them, exactly."""
        assert self._added is not None  # the caller looked
        queries = check_features(features, self.feature_dim)
        return exact_neighbors(queries, self._added.features, k, threads=self._threads, available=available)

    def _samples(self) -> SampleStore:
        if self._read_store is None:
            raise errors.samples_not_stored(self.name)
        return self._read_store


def _open_ids(index_dir: Path, manifest: index_pb2.IndexManifest) -> PoolIds:
    size, order = int(manifest.size), id_order_of(manifest)
    ids = map_array(index_dir / POOL_IDS, (size,), np.uint64)
    by_id = map_array(index_dir / POOL_ID_ORDER, (size,), np.int64) if order is IdOrder.ANY else None
    return PoolIds(ids, order, by_id)
