"""Selections, and synthetic samples without one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.types.acquisition import CandidateSource
from client.types.arrays import frozen
from client.types.diagnosis import Diagnosis
from client.types.timings import StageTiming


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One selected sample and why it was selected."""

    pool_id: int
    score: float | None  # the real sample's acquisition score; None without a classifier
    source: CandidateSource
    synthetic_index: int | None  # the synthetic sample that led here, ...
    synthetic_score: float | None  # ... its own score, ...
    distance: float | None  # ... and the Euclidean feature distance between the two
    predicted_class: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The answer to "which samples should be labeled next?"."""

    picks: tuple[Pick, ...]  # most informative first
    round: int  # from 1
    timings: tuple[StageTiming, ...]
    total_seconds: float
    scored: int  # real samples scored by the classifier
    visited: int  # pool entries returned by the index before filtering
    index_version: int
    seed: int
    match_gap: float | None  # mean synthetic score minus mean score of its matches; None without synthesis
    synthetic_samples: NDArray[Any] | None  # [S, *input_shape], with return_synthetic
    synthetic_scores: NDArray[np.float32] | None  # [S]
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    @cached_property
    def pool_ids(self) -> NDArray[np.uint64]:
        """The picked ids, uint64 [budget], most informative first."""
        return frozen(np.array([pick.pool_id for pick in self.picks], dtype=np.uint64))

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """The real acquisition scores of the picks, float32 [budget]; NaN where a pick has none."""
        values = [np.nan if pick.score is None else pick.score for pick in self.picks]
        return frozen(np.array(values, dtype=np.float32))


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthesis:
    """Informative synthetic samples."""

    samples: NDArray[Any]  # model inputs [S, *input_shape]
    scores: NDArray[np.float32]  # [S]
    initial_scores: NDArray[np.float32]  # [S], before the ascent
    timings: tuple[StageTiming, ...]
