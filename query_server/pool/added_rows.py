"""The files of the rows that were added beside an index: raw samples where they are kept, and features.

Which of them count is the journal's to say, by its head. A file is only appended to, and what the next generation
replaces is removed, so that a map of rows that count stays valid, whatever happens to the journal.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from query_server.pool.journal_head import Head
from query_server.pool.row_file import RowFile

_SAMPLES, _FEATURES = "samples", "features"


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows to be written: ids uint64 [n], raw samples [n, *raw_shape] where they are kept, features float32 [n, D]."""

    ids: npt.NDArray[np.uint64]
    samples: npt.NDArray[Any] | None
    features: npt.NDArray[np.float32]


@dataclass(frozen=True)
class AddedRows:
    """The files in a journal's directory. Whoever writes holds the journal's lock."""

    directory: Path

    def features_file(self, head: Head) -> RowFile:
        """Return the file of the features."""
        path = self.directory / f"{_FEATURES}-{head.generation}.bin"
        return RowFile(path, (head.feature_dim,), np.dtype(np.float32))

    def samples_file(self, head: Head) -> RowFile | None:
        """Return the file of the raw samples; None where none are kept."""
        if head.raw_shape is None or head.raw_dtype is None:
            return None
        generation = f"-{head.samples_generation}" if head.samples_generation else ""
        return RowFile(self.directory / f"{_SAMPLES}{generation}.bin", head.raw_shape, head.raw_dtype)

    def features(self, head: Head) -> npt.NDArray[np.float32]:
        """Map the features, float32 [A, D]."""
        return self.features_file(head).map(head.rows)

    def samples(self, head: Head) -> npt.NDArray[Any] | None:
        """Map the raw samples [A, *raw_shape]; None where none are kept."""
        file = self.samples_file(head)
        return None if file is None else file.map(head.rows)

    def write(self, samples: npt.NDArray[Any] | None, features: npt.NDArray[np.float32], head: Head) -> None:
        """Write rows [n, …] behind those that count, durably; the journal then makes them count, or `settle` cuts them.

        Raises:
            DowserError: STORAGE_FULL.
        """
        file = self.samples_file(head)
        if file is not None:
            assert samples is not None  # the layout says so
            file.write(head.rows, samples)
        self.features_file(head).write(head.rows, features)

    def settle(self, head: Head) -> None:
        """Cut off what does not count, and remove files of other generations.

        Raises:
            DowserError: CORRUPT_FILE if rows that count are missing.
        """
        files = list(self._files(head))
        for file in files:
            file.settle(head.rows)
        for pattern in (f"{_SAMPLES}*.bin", f"{_FEATURES}-*.bin"):
            for path in self.directory.glob(pattern):
                if path not in {file.path for file in files}:
                    path.unlink()

    def mapped(self, head: Head) -> "MappedRows":
        """Map all that counts, to be copied later on."""
        return MappedRows(tuple((file, file.map(head.rows)) for file in self._files(head)))

    def _files(self, head: Head) -> Iterator[RowFile]:
        for file in (self.features_file(head), self.samples_file(head)):
            if file is not None:
                yield file


@dataclass(frozen=True)
class MappedRows:
    """Rows that counted at one moment; they stay what they were, so that reading them needs no lock."""

    parts: tuple[tuple[RowFile, npt.NDArray[Any]], ...] = ()

    def copy_to(self, directory: Path) -> None:
        """Write them into a directory, under their files' names; on disk when this returns.

        Raises:
            DowserError: STORAGE_FULL.
        """
        for file, rows in self.parts:
            RowFile(directory / file.path.name, file.row_shape, file.dtype).write(0, rows)
