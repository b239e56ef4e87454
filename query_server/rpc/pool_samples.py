"""Samples as requests give them: by pool ids, or as values that are raw or a model's inputs already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.errors import pool_id_not_found
from query_server.pool import Pool
from query_server.rpc import convert


def named(pool: Pool, pool_ids: Sequence[int]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return ids uint64 [n] and their rows int64 [n].

    Raises:
        DowserError: POOL_ID_NOT_FOUND.
    """
    ids = np.fromiter(pool_ids, np.uint64, len(pool_ids))
    rows = pool.rows_of(ids)
    if (rows < 0).any():
        raise pool_id_not_found(int(ids[rows < 0][0]), int((rows < 0).sum()))
    return ids, rows


def inputs_of(pool: Pool, values: NDArray[Any], *, what: str) -> NDArray[np.float32]:
    """Return model inputs float32 [n, *input_shape] of raw samples [n, *raw_shape], or of inputs.

    A raw sample and a model input can have the same shape (vectors); then they are the same values.

    Raises:
        DowserError: SHAPE_MISMATCH.
    """
    if values.dtype == pool.raw_dtype and values.shape[1:] == pool.raw_shape:
        return pool.preprocessing.to_input(values)
    return convert.rows_of_queries(values, expected=pool.input_shape, what=what)
