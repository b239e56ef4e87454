"""What goes into a selection and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from query_server.errors import invalid_argument
from query_server.timing import StageTiming

MAX_LATENTS = 4096
MAX_STEPS = 10_000
MAX_COLDNESS = 100.0
MAX_DUPLICATE_DISTANCE = 10.0


class Source(StrEnum):
    """What proposed a candidate."""

    SYNTHESIS = "synthesis"
    RANDOM = "random"
    EXHAUSTIVE = "exhaustive"
    LABELED_NEIGHBORS = "labeled_neighbors"
    CLASS_ANCHORS = "class_anchors"
    CARRY_OVER = "carry_over"
    CLIMB = "climb"
    CELLS = "cells"


class BatchRuleName(StrEnum):
    """How a batch is drawn from what was scored; each has its file in ``selection/batches``."""

    TOP = "top"
    POWER = "power"
    GIBBS = "gibbs"
    BADGE = "badge"
    K_CENTER = "k_center"
    CLUSTER_MARGIN = "cluster_margin"
    CLASS_BALANCED = "class_balanced"
    BATCH_BALD = "batch_bald"


@dataclass(frozen=True, kw_only=True)
class BatchChoice:
    """How the batch is made.

    Attributes:
        rule: None means the strategy's default.
        coldness: Exponent of the power rule, inverse temperature of the Gibbs rule.
        shortlist: Candidates, the best by score, that the rule looks at; 0 means the rule's own.
        duplicate_distance: Candidates closer in features to a better pick than this multiple of the median distance
            between a candidate and its nearest other one are dropped; 0 drops none.
    """

    rule: BatchRuleName | None = None
    coldness: float = 1.0
    shortlist: int = 0
    duplicate_distance: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.coldness <= MAX_COLDNESS:
            raise invalid_argument("batch.coldness", self.coldness, f"above 0 and at most {MAX_COLDNESS:g}")
        if not 0 <= self.duplicate_distance <= MAX_DUPLICATE_DISTANCE:
            raise invalid_argument(
                "batch.duplicate_distance", self.duplicate_distance, f"0 to {MAX_DUPLICATE_DISTANCE:g}"
            )


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions:
    """Gradient ascent in latent space (ASAL, equation 3; defaults of §5.2).

    Attributes:
        latents: Latents optimized together, S; 0 means the budget.
        steps: Adam steps.
        step_size: Adam step size.
    """

    latents: int = 0
    steps: int = 100
    step_size: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.latents <= MAX_LATENTS:
            raise invalid_argument("latents", self.latents, f"0 to {MAX_LATENTS}")
        if not 0 < self.steps <= MAX_STEPS:
            raise invalid_argument("steps", self.steps, f"1 to {MAX_STEPS}")
        if not 0 < self.step_size <= 10:
            raise invalid_argument("step_size", self.step_size, "above 0 and at most 10")


@dataclass(frozen=True, kw_only=True)
class DowserStrategy:
    """Synthesis, then the nearest real samples, re-scored where ``max_scored`` allows it.

    Attributes:
        synthesis: How the synthetic samples are made.
        max_scored: Real candidates scored at most; 0 is plain ASAL.
    """

    synthesis: SynthesisOptions = field(default_factory=SynthesisOptions)
    max_scored: int = 1000


@dataclass(frozen=True, kw_only=True)
class ExhaustiveStrategy:
    """Score everything unlabeled."""


@dataclass(frozen=True, kw_only=True)
class RandomStrategy:
    """Draw uniformly without replacement."""


@dataclass(frozen=True, kw_only=True)
class RandomSubsetStrategy:
    """The best of a uniform subset of ``max_scored`` samples."""

    max_scored: int


Strategy = DowserStrategy | ExhaustiveStrategy | RandomStrategy | RandomSubsetStrategy


@dataclass(frozen=True, kw_only=True)
class SelectionRequest:
    """One round's question.

    Attributes:
        campaign_id: A campaign's id or name.
        classifier_id: From the upload; None only for the random strategy.
        budget: Samples to pick, B.
        acquisition: Name of the acquisition function.
        strategy: How candidates are found.
        seed: None derives it from the campaign's seed and round.
        min_index_version: Refuse to answer from an older index.
    """

    campaign_id: str
    classifier_id: str | None
    budget: int
    acquisition: str
    strategy: Strategy
    seed: int | None = None
    min_index_version: int = 0


@dataclass(frozen=True, kw_only=True)
class SyntheticSamples:
    """What the ascent made.

    Attributes:
        x: Model inputs float32 [S, *input_shape].
        scores: Their acquisition scores float32 [S].
        initial_scores: Scores before the ascent float32 [S].
    """

    x: NDArray[np.float32]
    scores: NDArray[np.float32]
    initial_scores: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Real samples in the order in which they should be picked, best first; no row twice.

    Attributes:
        source: What proposed them.
        rows: int64 [M].
        scores: Acquisition scores float32 [M]; NaN where not scored.
        predicted: Predicted classes int64 [M]; -1 where not scored.
        synthetic: Index of the synthetic sample that led here int64 [M]; -1 without one.
        distances: Euclidean feature distance to it float32 [M]; NaN without one.
        scored: Real samples scored to get here.
        visited: Index entries returned before filtering.
        synthetic_samples: What the ascent made; None without synthesis.
        match_gap: Mean synthetic score minus mean score of the scored matches; None where not both are known.
    """

    source: Source
    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    predicted: NDArray[np.int64]
    synthetic: NDArray[np.int64]
    distances: NDArray[np.float32]
    scored: int = 0
    visited: int = 0
    synthetic_samples: SyntheticSamples | None = None
    match_gap: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One selected sample and why it was selected; fields as in ``Candidates``, None where unknown."""

    pool_id: int
    source: Source
    score: float | None
    predicted_class: int | None
    synthetic_index: int | None
    synthetic_score: float | None
    distance: float | None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The answer to one round's question.

    Attributes:
        picks: Most informative first.
        round: The campaign's round, from 1.
        timings: Time per stage.
        total_seconds: From the start of the selection to its answer.
        scored: Real samples scored.
        visited: Index entries returned before filtering.
        index_version: Of the index that answered.
        seed: The seed that was used.
        match_gap: As in ``Candidates``.
        synthetic_samples: As in ``Candidates``.
    """

    picks: tuple[Pick, ...]
    round: int
    timings: tuple[StageTiming, ...]
    total_seconds: float
    scored: int
    visited: int
    index_version: int
    seed: int
    match_gap: float | None
    synthetic_samples: SyntheticSamples | None
