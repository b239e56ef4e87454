"""The pool as the rest of the server sees it: one object over the index directory.

Opening maps the files and reads only the manifest, the index header and, where they are not 0…N-1, the pool ids.
Rows are positions in this index and never leave the server; pool ids are what callers know.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from samples.preprocess import Preprocessing

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]
BoolArray = npt.NDArray[np.bool_]


class Pool:
    """SIGNATURES ONLY FOR NOW; the bodies follow within minutes."""

    name: str
    size: int
    index_version: int
    feature_dim: int
    input_shape: tuple[int, ...]
    raw_shape: tuple[int, ...]
    raw_dtype: np.dtype[Any]
    preprocessing: Preprocessing
    manifest: Any  # dowser.v1.index_pb2.IndexManifest

    @classmethod
    def open(
        cls,
        index_dir: Path,
        *,
        expected_bundle_digest: str,
        threads: int = 1,
        device: str = "auto",
        verify: bool = False,
    ) -> Self: ...

    def close(self) -> None: ...

    def search(self, features: Float32Array, k: int) -> tuple[Float32Array, Int64Array]:
        """(Euclidean distances float32 [Q, k'], rows int64 [Q, k']), k' = min(k, N), -1 padded."""

    def search_available(
        self, features: Float32Array, k: int, available: BoolArray
    ) -> tuple[Float32Array, Int64Array, int]:
        """(distances [Q, k'], rows [Q, k'], visited): only rows with available[row]; -1/inf padded when exhausted."""

    def features(self, rows: Int64Array) -> Float32Array: ...

    def inputs(self, rows: Int64Array) -> Float32Array: ...

    def raw(self, rows: Int64Array) -> npt.NDArray[Any]: ...

    def ids_of(self, rows: Int64Array) -> UInt64Array: ...

    def rows_of(self, pool_ids: UInt64Array | Sequence[int]) -> Int64Array:
        """-1 where unknown."""
