"""Companions of labeled samples as training material (BALD-VAE, equation 3): a set, thus one a labeled sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from client import Companions


class CompanionSet:
    """Generated samples with their labels; a sample that is uncertain again keeps the newest."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[NDArray[np.float32], int]] = {}

    def __len__(self) -> int:
        return len(self._of)

    def add(self, made: Companions) -> None:
        """Take what the server made."""
        for sample, pool_id, label in zip(
            made.samples, made.pool_ids.tolist(), made.labels.tolist(), strict=True
        ):
            self._of[pool_id] = (sample, label)

    def beside(
        self, x: NDArray[np.float32], y: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return x [n, ...] and y [n] with the companions and their labels behind them."""
        if not self._of:
            return x, y
        samples, labels = zip(*self._of.values(), strict=True)
        return np.concatenate([x, np.stack(samples)]), np.concatenate([y, np.array(labels)])
