"""Samples read and encoded, a span of rows at a time: the first and longest part of an index build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from query_server import errors
from samples.preprocess import Preprocessing
from samples.sources import SampleSource

Float32Array: TypeAlias = npt.NDArray[np.float32]

_ENCODED_ROWS = 1024

#: Model inputs float32 [n, *input_shape] to features float32 [n, D].
Encode: TypeAlias = Callable[[Float32Array], Float32Array]

#: Raw samples [n, *raw_shape] and their features float32 [n, D].
Encoded: TypeAlias = tuple[npt.NDArray[Any], Float32Array]


@dataclass(frozen=True, kw_only=True)
class SpanEncoder:
    """Encodes rows of a pool.

    Attributes:
        source: The raw samples.
        encode: The encoder.
        preprocessing: From raw samples to model inputs.
        feature_dim: D.
    """

    source: SampleSource
    encode: Encode
    preprocessing: Preprocessing
    feature_dim: int

    def __call__(self, first: int, last: int) -> Encoded:
        """Return the raw samples and the features of rows first…last-1.

        Raises:
            DowserError: SHAPE_MISMATCH or NOT_FINITE (features).
            SampleError: A sample cannot be read.
        """
        raw = self.source.read(first, last)
        features = self.encode(self.preprocessing.to_input(raw))
        if features.shape != (len(raw), self.feature_dim):
            raise errors.shape_mismatch(
                (len(raw), self.feature_dim), features.shape, what="the encoder's output"
            )
        refuse_non_finite(features, first)
        return raw, features


@dataclass(frozen=True, kw_only=True)
class SpanReader:
    """Reads rows of features that were encoded elsewhere.

    Attributes:
        source: float32 [N, D].
    """

    source: SampleSource

    def __call__(self, first: int, last: int) -> Encoded:
        """Return the features of rows first…last-1, twice: as what the pool holds and as features.

        Raises:
            DowserError: NOT_FINITE.
            SampleError: A row cannot be read.
        """
        features = np.asarray(self.source.read(first, last), np.float32)
        refuse_non_finite(features, first)
        return features, features


def encoded(
    encode: Encode,
    preprocessing: Preprocessing,
    samples: npt.NDArray[Any],
    *,
    before_each: Callable[[], None] = lambda: None,
) -> Float32Array:
    """Return the features float32 [n, D] of raw samples [n, *raw_shape], n at least 1, some encoded at a time.

    Args:
        encode: The encoder.
        preprocessing: From raw samples to model inputs.
        samples: May be mapped.
        before_each: Called before each part of them; what it raises ends the work.
    """
    parts = []
    for start in range(0, len(samples), _ENCODED_ROWS):
        before_each()
        parts.append(encode(preprocessing.to_input(samples[start : start + _ENCODED_ROWS])))
    return np.concatenate(parts)


def refuse_non_finite(features: Float32Array, first: int, *, what: str = "samples") -> None:
    """Refuse features float32 [n, D], of rows from `first`, that hold NaN or infinity; name their rows."""
    bad = first + np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        named = ", ".join(str(row) for row in bad[:5].tolist()) + (", …" if len(bad) > 5 else "")
        raise errors.DowserError(
            errors.Reason.NOT_FINITE,
            f"the features of {len(bad)} {what} hold NaN or infinity (rows {named}); remove these samples from "
            "the pool or train the encoder again",
            metadata={"where": "features", "index": str(bad[0])},
        )
