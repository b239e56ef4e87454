"""Large sets of pool ids, as roaring bitmaps: some bytes for a run of ids, two for a lone one at most times."""

from array import array

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

UInt64Array = npt.NDArray[np.uint64]


def id_set(pool_ids: UInt64Array) -> BitMap64:
    """Return the set of ids uint64 [n]."""
    return BitMap64(array("Q", np.ascontiguousarray(pool_ids, dtype=np.uint64).tobytes()))


def ids_in(found: BitMap64) -> UInt64Array:
    """Return the ids of a set uint64 [n], ascending."""
    return np.frombuffer(found.to_array(), dtype=np.uint64)


def members(pool_ids: UInt64Array, of: BitMap64) -> npt.NDArray[np.bool_]:
    """Return bool [n], whether each id is in a set."""
    if not of:
        return np.zeros(len(pool_ids), bool)
    return np.isin(pool_ids, ids_in(id_set(pool_ids) & of))


def to_runs(pool_ids: UInt64Array) -> list[list[int]]:
    """Return ids uint64 [n] in their order as [first, count] of ids that follow one another."""
    if not len(pool_ids):
        return []
    breaks = np.flatnonzero(np.diff(pool_ids) != 1) + 1
    starts = np.concatenate([[0], breaks])
    counts = np.diff(np.concatenate([starts, [len(pool_ids)]]))
    return [[int(first), int(count)] for first, count in zip(pool_ids[starts], counts, strict=True)]


def from_runs(runs: list[list[int]]) -> UInt64Array:
    """Return the ids uint64 [n] of runs; a negative one stands for the unsigned integer of its 64 bits."""
    parts = [
        np.uint64(first & 0xFFFF_FFFF_FFFF_FFFF) + np.arange(count, dtype=np.uint64) for first, count in runs
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)
