"""A pool in two parts: the base, which has an index, and the samples added since, which are scanned.

The base's rows come first and the added ones after them in the order they came, so a row keeps its sample for as long
as the base serves. An added sample that a newer base holds too is passed over: the base's own row stands for it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from query_server.pool.exact import Neighbors
from query_server.pool.ids import PoolIds
from samples.mapped import gathered


class Stacked:
    """Two arrays of rows read as one, without copying either."""

    def __init__(self, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Return rows [n, …] of ascending rows int64 [n]."""
        split = int(np.searchsorted(rows, len(self._first)))
        taken = np.empty((len(rows), *self._first.shape[1:]), self._first.dtype)
        taken[:split] = gathered(self._first, rows[:split])
        taken[split:] = self._second[rows[split:] - len(self._first)]
        return taken


@dataclass(frozen=True, kw_only=True)
class Added:
    """Samples added to a pool, in the order they came.

    Attributes:
        features: float32 [A, D].
        samples: Raw samples [A, *raw_shape]; None where the pool keeps none.
        ids: Their pool ids.
    """

    features: npt.NDArray[np.float32]
    samples: npt.NDArray[Any] | None
    ids: PoolIds

    def __len__(self) -> int:
        return len(self.features)


def nearest_of_both(base: Neighbors, added: Neighbors, k: int, *, base_rows: int) -> Neighbors:
    """Merge the neighbors of two parts.

    Args:
        base: (distances [Q, i], rows [Q, i]) of the base, padded with infinity and -1.
        added: (distances [Q, j], rows [Q, j]) of the added part, counted from its own first row.
        k: Neighbors to keep.
        base_rows: Rows of the base.

    Returns:
        (distances float32 [Q, k'], rows int64 [Q, k']) ascending, k' = min(k, i + j).
    """
    distances = np.concatenate([base[0], added[0]], axis=1)
    rows = np.concatenate([base[1], np.where(added[1] < 0, -1, added[1] + base_rows)], axis=1)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)
