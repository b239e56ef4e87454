"""The pool as the rest of the server sees it: one object over an index directory.

Opening maps the files and reads only the manifest and the index's header. Rows are positions in this index
and never leave the server; pool ids are what callers know.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dowser.v1 import index_pb2
from query_server import errors
from query_server.pool.arrays import map_array, take_rows
from query_server.pool.filtered import AvailableNeighbors, search_available
from query_server.pool.ids import PoolIds
from query_server.pool.index import Device, FeatureIndex
from query_server.pool.manifest import (
    FEATURES,
    INDEX,
    MANIFEST,
    POOL_IDS,
    SAMPLES,
    check_bundle,
    check_files,
    read_manifest,
)
from query_server.pool.store import SampleStore
from samples.errors import SampleError
from samples.preprocess import Preprocessing

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]


class Pool:
    """N real samples with their features, index and ids. Thread-safe; read-only.

    Attributes:
        name: The pool's name.
        size: N.
        feature_dim: D.
        index_version: Grows with every visible change of the pool.
        preprocessing: From a raw sample to a model input.
        input_shape: Of one model input x, without the batch.
        raw_shape: Of one raw sample.
        raw_dtype: Of raw samples.
        has_samples: Whether the samples themselves are here, or only their features.
        manifest: The index's manifest.
        device: "cpu" or "cuda", where the index searches.
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
    ) -> None:
        self.manifest = manifest
        self.name: str = manifest.pool
        self.size = int(manifest.size)
        self.feature_dim = int(manifest.feature_dim)
        self.index_version = int(manifest.index_version)
        self.preprocessing = preprocessing
        self.input_shape = preprocessing.input_shape
        self.raw_shape = preprocessing.raw_shape
        self.raw_dtype: np.dtype[Any] = np.dtype(preprocessing.raw_dtype)
        self.has_samples = store is not None
        self.device = index.device
        self._index = index
        self._features = features
        self._store = store
        self._ids = ids
        self._threads = threads

    @classmethod
    def open(
        cls,
        index_dir: Path,
        *,
        expected_bundle_digest: str,
        expected_encoder_sha256: str | None = None,
        threads: int = 1,
        device: Device = "auto",
        verify: bool = False,
    ) -> Self:
        """Open an index directory.

        Args:
            index_dir: What `build_index` made.
            expected_bundle_digest: Of the bundle that is served with it.
            expected_encoder_sha256: Of that bundle's encoder; one equal to the index's makes another digest do.
            threads: OpenMP threads of each search.
            device: Where to search; "auto" takes a GPU if FAISS has one.
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
        index = FeatureIndex.open(
            index_dir / INDEX, nprobe=int(manifest.nprobe), threads=threads, device=device
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
            features=map_array(index_dir / FEATURES, (size, feature_dim), np.float32),
            store=store,
            ids=PoolIds(map_array(index_dir / POOL_IDS, (size,), np.uint64)),
            threads=threads,
        )

    def close(self) -> None:
        """Give the GPU back, where one was used; maps end with the object."""
        self._index.close()

    @property
    def rows(self) -> int:
        """Rows of masks over the pool: N."""
        return self.size

    def alive(self) -> npt.NDArray[np.bool_]:
        """Return bool [N], true where the row's sample can be selected; the caller's own copy."""
        return np.ones(self.size, dtype=np.bool_)

    def search(self, features: Float32Array, k: int) -> tuple[Float32Array, Int64Array]:
        """Find the k nearest rows of each query.

        Args:
            features: float32 [Q, D].
            k: Neighbors per query; more than N means N.

        Returns:
            (distances float32 [Q, k] Euclidean ascending, rows int64 [Q, k]), padded with infinity and -1.

        Raises:
            DowserError: SHAPE_MISMATCH, NOT_FINITE or INVALID_ARGUMENT (k below 1).
        """
        return self._index.search(features, k)

    def search_available(
        self, features: Float32Array, k: int, available: npt.NDArray[np.bool_]
    ) -> AvailableNeighbors:
        """Find the k nearest rows of each query among the available ones, bool [N].

        Returns:
            (distances float32 [Q, k], rows int64 [Q, k], visited); padded only where fewer than k are
            available.

        Raises:
            DowserError: SHAPE_MISMATCH, NOT_FINITE or INVALID_ARGUMENT (k below 1).
        """
        return search_available(self._index, self._features, features, k, available, threads=self._threads)

    def features(self, rows: Int64Array) -> Float32Array:
        """Return features float32 [n, D] of rows int64 [n]; IndexError outside 0…N-1."""
        features: Float32Array = take_rows(self._features, rows)
        return features

    def inputs(self, rows: Int64Array) -> Float32Array:
        """Return model inputs float32 [n, *input_shape] of rows int64 [n]; IndexError outside 0…N-1.

        Raises:
            DowserError: SAMPLES_NOT_STORED.
        """
        return self._samples().inputs(rows)

    def raw(self, rows: Int64Array) -> npt.NDArray[Any]:
        """Return raw samples [n, *raw_shape] of rows int64 [n]; IndexError outside 0…N-1.

        Raises:
            DowserError: SAMPLES_NOT_STORED.
        """
        return self._samples().read(rows)

    def ids_of(self, rows: Int64Array) -> UInt64Array:
        """Return pool ids uint64 [n] of rows int64 [n]; IndexError outside 0…N-1."""
        return self._ids.ids_of(rows)

    def rows_of(self, pool_ids: UInt64Array) -> Int64Array:
        """Return rows int64 [n] of pool ids uint64 [n], -1 where unknown."""
        return self._ids.rows_of(pool_ids)

    def _samples(self) -> SampleStore:
        if self._store is None:
            raise errors.samples_not_stored(self.name)
        return self._store
