"""Candidates for the caller to score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from client.types.acquisition import CandidateSource
from client.types.arrays import frozen
from client.types.timings import StageTiming


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A sample worth scoring."""

    pool_id: int
    source: CandidateSource
    synthetic_index: int | None  # the synthetic sample that led here, ...
    distance: float | None  # ... and the Euclidean feature distance between the two


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposal:
    """Candidates for the caller to score, leased to the campaign until the commit or a release."""

    proposal_id: str  # what the commit names it by
    candidates: tuple[Candidate, ...]  # in the order in which a selection would score them
    shares: Mapping[CandidateSource, float]  # parts of the candidates as the policy set them
    reasons: tuple[str, ...]  # why they are what they are
    seed: int
    index_version: int
    timings: tuple[StageTiming, ...]
    total_seconds: float
    visited: int  # pool entries returned by the index before filtering
    unique_match_rate: float | None  # distinct nearest matches per synthetic sample
    synthetic_scores: NDArray[np.float32]  # [S], empty without synthesis

    @cached_property
    def pool_ids(self) -> NDArray[np.uint64]:
        """The candidates' ids, uint64 [M]."""
        return frozen(np.array([each.pool_id for each in self.candidates], dtype=np.uint64))
