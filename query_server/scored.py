"""What a classifier says of real samples; a leaf, so that models can make it and selection can ask for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What the classifier says of n real samples.

    Attributes:
        scores: Acquisition scores float32 [n].
        predicted: Most probable classes int64 [n], of the mean distribution where there are several passes.
        probabilities: That distribution float32 [n, C]; C is 2 for a binary classifier of one logit.
        passes: Probabilities of every stochastic pass float32 [T, n, C]; None for a deterministic classifier.
        further: Scores of A - 1 further acquisition functions float32 [n, A - 1]; None without.
        embedding: float32 [n, E]; None where it was not asked for or the classifier has none.
    """

    scores: NDArray[np.float32]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    passes: NDArray[np.float32] | None = None
    further: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None
