"""Companions of labeled samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.types.timings import StageTiming


@dataclass(frozen=True, kw_only=True, eq=False)
class Companions:
    """Reconstructions of labeled samples, to train the next classifier on; the most uncertain samples' first.

    Attributes:
        samples: Model inputs float32 [M, *input_shape].
        pool_ids: The labeled samples they were made of [M].
        labels: Their labels [M].
        scores: Their acquisition scores [M]; None without a classifier.
        companion_scores: The companions' own [M], likewise.
        distances: Euclidean, between sample and companion [M].
        threshold: Least score that was asked for; None where all were.
        examined: Labeled samples looked at.
        uncertain: Of those, samples that met the threshold; beyond the limit they have no companion here.
        unknown_class: Of those, samples whose class the generator does not know.
        timings: Of the server's stages.
    """

    samples: NDArray[Any]
    pool_ids: NDArray[np.uint64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    companion_scores: NDArray[np.float32] | None
    distances: NDArray[np.float32]
    threshold: float | None
    examined: int
    uncertain: int
    unknown_class: int
    timings: tuple[StageTiming, ...]
