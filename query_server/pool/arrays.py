"""Rows of the .npy files of an index directory: memory-mapped, checked, read in file order."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from query_server import errors
from samples.mapped import forget_pages, gathered

Rows = npt.NDArray[np.int64]


class RowsArray(Protocol):
    """Rows that can be taken by their positions."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, rows: Rows, /) -> Any:
        """Return rows [n, …] of ascending positions int64 [n]."""


class Streamed:
    """Rows of a mapped array as copies; what was read does not stay in this process's memory.

    For passes over files larger than memory may be: pages of a map count as resident once they were touched.
    """

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: Rows | slice, /) -> npt.NDArray[Any]:
        """Return a copy of rows [n, …]."""
        taken = np.array(self._array[rows])
        forget_pages(self._array)
        return taken


def map_array(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Map a .npy file read-only.

    Raises:
        DowserError: CORRUPT_FILE unless it holds an array of this shape and dtype.
    """
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise errors.corrupt_file(
            path, f"not a readable .npy file ({error}); build the index again"
        ) from error
    if array.shape != shape or array.dtype != np.dtype(dtype):
        raise errors.corrupt_file(
            path,
            f"holds {array.dtype} {list(array.shape)} where the manifest promises {np.dtype(dtype)} "
            f"{list(shape)}; build the index again",
        )
    return array


def take_rows(array: RowsArray, rows: Rows) -> npt.NDArray[Any]:
    """Return rows [n, …] in the order given, as a copy in memory; reads each once and in file order.

    Raises:
        IndexError: if a row is not in 0…N-1. Negative rows (no neighbor) are never taken for the last ones.
    """
    if rows.size and (rows.min() < 0 or rows.max() >= len(array)):
        raise IndexError(f"rows must be 0 to {len(array) - 1}, got {rows.min()} to {rows.max()}")
    distinct, inverse = np.unique(rows, return_inverse=True)
    found = gathered(array, distinct) if isinstance(array, np.ndarray) else np.asarray(array[distinct])
    taken: npt.NDArray[Any] = found[inverse]
    return taken
