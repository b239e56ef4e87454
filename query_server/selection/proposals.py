"""What goes into and comes out of a selection in two calls: candidates by the server, scores by the caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from query_server.errors import invalid_argument, not_finite, shape_mismatch
from query_server.selection.ports import Float32, Int64, UInt64
from query_server.selection.values import BatchChoice, Source
from query_server.timing import StageTiming

#: The method that the ledger keeps proposals under.
PROPOSE = "ProposeSamples"
MAX_CANDIDATES = 100_000
# How far probabilities may be from summing to 1: they may have been computed in half precision.
_SUM_TOLERANCE = 1e-2


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposed:
    """Candidates for the caller to score, and all that the commit needs to know of how they were found.

    Attributes:
        pool_ids: uint64 [M], no two alike, in the order in which a selection would score them.
        sources: Numbers of ``board.SOURCES`` int64 [M].
        synthetic: Index of the synthetic sample that led to each int64 [M]; -1 without one.
        distances: Euclidean feature distance to it float32 [M]; NaN without one.
        shares: Parts of the candidates by source, of sum 1.
        reasons: Why they are what they are.
        seed: Of the round's randomness.
        index_version: Of the index that answered.
        visited: Index entries returned before filtering.
        unique_match_rate: Distinct nearest matches per synthetic sample; None without synthesis.
        latents: Where the ascent ended float32 [S, Z]; None without synthesis.
        synthetic_scores: Scores of the synthetic samples float32 [S], S is 0 without synthesis.
        timings: Time per stage.
        total_seconds: From the start of the proposal to its answer.
    """

    pool_ids: UInt64
    sources: Int64
    synthetic: Int64
    distances: Float32
    shares: Mapping[Source, float]
    reasons: tuple[str, ...]
    seed: int
    index_version: int
    visited: int
    unique_match_rate: float | None
    latents: Float32 | None
    synthetic_scores: Float32
    timings: tuple[StageTiming, ...] = ()
    total_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredCandidates:
    """One round's answer by the caller's scores.

    Attributes:
        campaign_id: A campaign's id or name.
        proposal_id: Request id of the proposal.
        budget: Samples to pick, B.
        pool_ids: Candidates that were scored uint64 [M].
        scores: float32 [M].
        probabilities: float32 [M, C], or [T, M, C] of stochastic passes.
        embedding: float32 [M, E], or None.
        batch: How the batch is made.
        acquisition: Name of the function that the scores are of; None is one of the caller's own.
        class_prior_weight: Exponent of the expected rarity that the scores are multiplied by.
    """

    campaign_id: str
    proposal_id: str
    budget: int
    pool_ids: UInt64
    scores: Float32
    probabilities: Float32
    embedding: Float32 | None = None
    batch: BatchChoice = field(default_factory=BatchChoice)
    acquisition: str | None = None
    class_prior_weight: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.pool_ids)
        if not 1 <= count <= MAX_CANDIDATES:
            raise invalid_argument("pool_ids", f"{count} entries", f"1 to {MAX_CANDIDATES} entries")
        if len(np.unique(self.pool_ids)) < count:
            raise invalid_argument("pool_ids", "repeated ids", "each candidate once")
        if not 1 <= self.budget <= count:
            raise invalid_argument("budget", self.budget, f"1 to the scored candidates ({count})")
        if self.scores.shape != (count,):
            raise shape_mismatch((count,), self.scores.shape, what="scores")
        _check_finite("scores", self.scores)
        probabilities = self.probabilities
        if (
            probabilities.ndim not in (2, 3)
            or probabilities.shape[-2] != count
            or probabilities.shape[-1] < 2
        ):
            raise shape_mismatch(
                (count, "C >= 2"), probabilities.shape, what="probabilities, or passes of them,"
            )
        if not probabilities.size:
            raise shape_mismatch(("T >= 1", count, "C"), probabilities.shape, what="passes")
        sums: Float32 = probabilities.sum(axis=-1)
        if (probabilities < 0).any() or (np.abs(sums - 1) > _SUM_TOLERANCE).any():
            worst = int(np.argmax(np.abs(sums - 1).max(axis=0) if sums.ndim == 2 else np.abs(sums - 1)))
            raise invalid_argument(
                "probabilities",
                f"row {worst} of sum {sums[..., worst].max():.4g}",
                "not negative, with rows of sum 1 (logits go through a softmax first)",
            )
        if self.embedding is not None:
            shape = self.embedding.shape
            if len(shape) != 2 or shape[0] != count or not shape[1]:
                raise shape_mismatch((count, "E >= 1"), shape, what="embedding")


def _check_finite(field: str, values: Float32) -> None:
    bad: Int64 = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise not_finite(field, int(bad[0]))
