"""A file of rows that only grows: written at its end, durable before it counts, mapped in prefixes.

How many rows count is the journal's to say. What lies beyond is the tail of a write that never committed, and is cut
off when the file is opened or when the write fails. Maps reach over rows that count and never change, so they stay
valid while the file grows.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.files import refusing_failed_writes, sync


class RowFile:
    """Rows of one shape and type, raw bytes in C order. Not thread-safe: the journal's lock guards it.

    Args:
        path: The file; made when the first row is written.
        row_shape: Of one row.
        dtype: Of its elements.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.path = path
        self.row_shape = row_shape
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self._row_bytes = self.dtype.itemsize * int(np.prod(row_shape, dtype=np.int64))

    def settle(self, rows: int) -> None:
        """Cut off what lies beyond the rows that count.

        Raises:
            DowserError: CORRUPT_FILE if there are fewer.
        """
        length = self.path.stat().st_size if self.path.exists() else 0
        if length < rows * self._row_bytes:
            raise errors.corrupt_file(
                self.path,
                f"{length} bytes, the journal beside it counts {rows} rows of {self._row_bytes} bytes; restore the "
                "directory from a backup, or move it away and add its samples again",
            )
        if length > rows * self._row_bytes:
            self.cut(rows)

    def write(self, first_row: int, values: npt.NDArray[Any]) -> None:
        """Write rows [n, *row_shape] behind the first ones; on disk when this returns. A failure leaves no tail.

        Raises:
            DowserError: STORAGE_FULL.
        """
        content = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8).data
        created = not self.path.exists()
        with refusing_failed_writes(str(self.path)):
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                offset, written = first_row * self._row_bytes, 0
                while written < len(content):
                    written += os.pwrite(descriptor, content[written:], offset + written)
                os.fsync(descriptor)
                if created:
                    sync(self.path.parent)
            except OSError:
                os.ftruncate(descriptor, first_row * self._row_bytes)
                raise
            finally:
                os.close(descriptor)

    def cut(self, rows: int) -> None:
        """Keep the first rows only."""
        if self.path.exists():
            os.truncate(self.path, rows * self._row_bytes)

    def map(self, rows: int) -> npt.NDArray[Any]:
        """Map the first rows read-only, [rows, *row_shape]."""
        shape = (rows, *self.row_shape)
        if rows == 0:
            return np.empty(shape, self.dtype)
        return np.asarray(np.memmap(self.path, self.dtype, mode="r", shape=shape))
