"""Pools, what changes them, and what is found in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from samples import Layout, Preprocessing

PoolIds: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
"""Pool ids as a user has them at hand."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool of real samples and the index over it."""

    name: str
    size: int  # N, as it is now
    raw_shape: tuple[int, ...]  # one sample as stored, without N
    raw_dtype: np.dtype[Any]
    input_shape: tuple[int, ...]  # one model input x, without the batch: what a classifier must take
    input_min: float
    input_max: float
    scale: float  # x = raw * scale + offset, then laid out as input_shape
    offset: float
    feature_dim: int  # D
    latent_dim: int  # Z
    index_factory: str  # of FAISS
    recall_at_10: float  # part of the exact ten nearest that it finds, of the queries it was tuned with
    index_version: int  # grows with every visible change
    bundle_digest: str  # sha256 of the bundle's manifest, hexadecimal
    added: int = 0  # of `size`, the samples that were added since the index was built
    removed: int = 0  # samples that were removed, not part of `size`
    has_samples: bool = (
        True  # whether the server holds the samples themselves; without, it proposes and you score
    )

    def to_inputs(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Turn raw samples into the very model inputs that the server feeds to a classifier.

        Args:
            raw: [n, *raw_shape], for example from `get_samples`.

        Returns:
            float32 [n, *input_shape].

        Raises:
            samples.SampleError: The samples do not have the pool's raw shape.
        """
        return Preprocessing(
            layout=self._layout,
            raw_dtype=self.raw_dtype.name,
            raw_shape=self.raw_shape,
            scale=self.scale,
            offset=self.offset,
        ).to_input(raw)

    @property
    def _layout(self) -> Layout:
        """How the raw axes are meant; an image whose axes were moved is [H, W, C]."""
        match len(self.raw_shape):
            case 1:
                return "vector"
            case 2:
                return "hw"
        return "chw" if self.raw_shape == self.input_shape else "hwc"


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplesAdded:
    """What was added to a pool, durably."""

    pool_ids: NDArray[np.uint64]  # [n], in the order the samples were given
    index_version: int  # the first that holds them
    size: int  # of that version


@dataclass(frozen=True, kw_only=True)
class SamplesRemoved:
    """What was removed from a pool, durably."""

    removed: int  # of the ids given, those that were not removed before
    index_version: int  # the first without them
    size: int  # of that version


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbors:
    """The nearest pool samples of each query, nearest first."""

    pool_ids: tuple[NDArray[np.uint64], ...]  # one array [<= k] a query
    distances: tuple[NDArray[np.float32], ...]  # Euclidean, in feature space
    index_version: int
