"""What may be added to a pool: samples of its kind, as features, under ids that no sample has or had."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from query_server import errors
from query_server.pool.encoding import Encode, Float32Array, encoded
from query_server.pool.id_sets import members
from query_server.pool.index import check_features
from query_server.pool.pool import Pool

UInt64Array = npt.NDArray[np.uint64]
SampleKind = Literal["raw", "features"]

MAX_CHANGED = 100_000
"""Samples that one call may add or remove."""


def features_of(
    state: Pool,
    encode: Encode,
    values: npt.NDArray[Any],
    *,
    kind: SampleKind,
    checkpoint: Callable[[str], None],
) -> Float32Array:
    """Check what is to be added and return its features float32 [n, D].

    Args:
        state: Of the pool.
        encode: Model inputs float32 [n, *input_shape] to features float32 [n, D].
        values: Raw samples [n, *raw_shape], or features [n, D].
        kind: Which of the two.
        checkpoint: Raises once the caller no longer waits.

    Raises:
        DowserError: INVALID_ARGUMENT, SHAPE_MISMATCH, NOT_FINITE, CANCELLED or DEADLINE_EXCEEDED.
    """
    if not 1 <= len(values) <= MAX_CHANGED:
        raise errors.invalid_argument("count", len(values), f"1 to {MAX_CHANGED}")
    if kind == "features":
        if state.has_samples:
            raise errors.invalid_argument("kind", kind, "raw, as this pool keeps its samples")
        return check_features(values, state.feature_dim)
    if values.shape[1:] != state.raw_shape:
        raise errors.shape_mismatch(("n", *state.raw_shape), values.shape, what="samples")
    if values.dtype != state.raw_dtype:
        raise errors.invalid_argument("samples", str(values.dtype), f"{state.raw_dtype}, as the pool's are")
    features = encoded(encode, state.preprocessing, values, before_each=lambda: checkpoint("encode"))
    return check_features(features, state.feature_dim)


def new_ids(
    state: Pool,
    given: UInt64Array | None,
    count: int,
    *,
    added: UInt64Array,
    removed: UInt64Array,
    retired: BitMap64,
) -> UInt64Array:
    """Return the ids uint64 [count] of new samples, assigned or checked to be new.

    Args:
        state: Of the pool.
        given: Theirs; None assigns those that follow the largest.
        count: New samples.
        added: Ids beside the index, in any order.
        removed: Ids that were removed, likewise.
        retired: Ids that were removed and are in no file any more.

    Raises:
        DowserError: INVALID_ARGUMENT or POOL_ID_EXISTS.
    """
    if given is None:
        largest = max(
            state.base_ids.largest(),
            int(added.max(initial=0)),
            int(removed.max(initial=0)),
            retired.max() if retired else 0,
        )
        if largest + count >= 2**64:
            raise errors.invalid_argument(
                "pool_ids", "none", f"given: the pool's largest id is {largest} and leaves none to assign"
            )
        return np.arange(largest + 1, largest + 1 + count, dtype=np.uint64)
    ids = np.asarray(given, np.uint64)
    if len(ids) != count:
        raise errors.invalid_argument("pool_ids", f"{len(ids)} entries", f"{count} entries, one a sample")
    if len(np.unique(ids)) != count:
        raise errors.invalid_argument("pool_ids", "an id twice", "distinct ids")
    exists = (state.base_ids.rows_of(ids) >= 0) | np.isin(ids, added) | np.isin(ids, removed)
    exists |= members(ids, retired)
    if exists.any():
        raise errors.pool_id_exists(int(ids[exists][0]), int(exists.sum()))
    return ids
