"""The raw samples of a pool and the model inputs made of them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from query_server.pool.arrays import Rows, take_rows
from query_server.pool.segments import Stacked
from samples.mapped import forget_pages
from samples.preprocess import Preprocessing


class SampleStore:
    """Raw samples [N, *raw_shape] on disk, mapped into memory."""

    def __init__(self, samples: npt.NDArray[Any] | Stacked, preprocessing: Preprocessing) -> None:
        self._samples = samples
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self._samples)

    def extended(self, samples: npt.NDArray[Any]) -> "SampleStore":
        """Return a store of these samples and, after them, others [A, *raw_shape]; nothing is copied."""
        assert isinstance(self._samples, np.ndarray)  # only a base is extended
        return SampleStore(Stacked(self._samples, samples), self.preprocessing)

    def forget_pages(self) -> None:
        """Take what was read out of this process's memory."""
        if isinstance(self._samples, np.ndarray):
            forget_pages(self._samples)

    def read(self, rows: Rows) -> npt.NDArray[Any]:
        """Return raw samples [n, *raw_shape] of rows int64 [n]; IndexError outside 0…N-1."""
        return take_rows(self._samples, rows)

    def inputs(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return model inputs float32 [n, *input_shape] of rows int64 [n]; IndexError outside 0…N-1."""
        return self.preprocessing.to_input(self.read(rows))
