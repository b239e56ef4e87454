"""What goes into a selection and what comes out of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from query_server.ascending import AscentOptions
from query_server.errors import invalid_argument
from query_server.timing import StageTiming

MAX_LATENTS = 4096
MAX_COLDNESS = 100.0
MAX_CLASS_PRIOR_WEIGHT = 10.0
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
    SURROGATE = "surrogate"
    SEALS = "seals"


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
    ANCHOR_DISTANCE = "anchor_distance"
    ANCHOR_CONFIDENCE = "anchor_confidence"


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


# Where matches are scored and a request says nothing: level with 100 steps from random starts or above it, at less than
# half of the steps.
DEFAULT_WARM_START = 0.5
DEFAULT_EARLY_STOP = 0.04


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions(AscentOptions):
    """How synthetic samples are made; by themselves as ASAL has it, every step from random starts.

    Attributes:
        latents: Latents optimized together, S; 0 means what the strategy needs.
        warm_start: Share of the latents that start where the best of the campaign's last ones ended, 0 to 1.
    """

    latents: int = 0
    warm_start: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.latents <= MAX_LATENTS:
            raise invalid_argument("latents", self.latents, f"0 to {MAX_LATENTS}")
        if not 0 <= self.warm_start <= 1:
            raise invalid_argument("warm_start", self.warm_start, "0 to 1")


@dataclass(frozen=True, kw_only=True)
class DowserStrategy:
    """Candidates from several sources, scored up to a bound.

    Attributes:
        synthesis: How synthetic samples are made, where that source is used.
        max_scored: Real candidates scored at most; 0 is plain ASAL.
        shares: Fixed parts of the scored samples by source, of any sum; None lets the policy learn them.
        random_floor: Least share drawn uniformly while the policy learns, 0 to 1.
    """

    synthesis: SynthesisOptions = field(
        default_factory=lambda: SynthesisOptions(warm_start=DEFAULT_WARM_START, early_stop=DEFAULT_EARLY_STOP)
    )
    max_scored: int = 1000
    shares: Mapping[Source, float] | None = None
    random_floor: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.random_floor <= 1:
            raise invalid_argument("random_floor", self.random_floor, "0 to 1")
        if self.shares is not None:
            for source, share in self.shares.items():
                if source is Source.EXHAUSTIVE:
                    raise invalid_argument(
                        "shares", source, "a source that proposes; exhaustive is a strategy"
                    )
                if not 0 <= share < math.inf:
                    raise invalid_argument("shares", share, "finite and not negative")
            if not sum(self.shares.values()) > 0:
                raise invalid_argument("shares", "all zero", "at least one share above 0")


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
        batch: How the batch is made of what was scored.
        class_prior_weight: Exponent of the expected rarity, among the labels so far, that scores are multiplied by.
        seed: None derives it from the campaign's seed and round.
        min_index_version: Refuse to answer from an older index.
    """

    campaign_id: str
    classifier_id: str | None
    budget: int
    acquisition: str
    strategy: Strategy
    batch: BatchChoice = field(default_factory=BatchChoice)
    class_prior_weight: float = 0.0
    seed: int | None = None
    min_index_version: int = 0


@dataclass(frozen=True, kw_only=True)
class SyntheticSamples:
    """What the ascent made.

    Attributes:
        x: Model inputs float32 [S, *input_shape].
        latents: What the generator made them from float32 [S, Z].
        scores: Their acquisition scores float32 [S].
        initial_scores: Scores before the ascent float32 [S].
        features: Their matching features float32 [S, D].
    """

    x: NDArray[np.float32]
    latents: NDArray[np.float32]
    scores: NDArray[np.float32]
    initial_scores: NDArray[np.float32]
    features: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What one source was worth.

    Attributes:
        source: What proposed.
        share: Its part of the scored samples as the policy set it, 0 to 1.
        scored: Candidates scored that it was the first to propose.
        mean_score: Theirs; None with none.
        picked: Picks among them.
        labeled: Its picks of earlier rounds that have labels by now.
        contradicted: Those whose label was not the class predicted.
        rarity: Mean rarity of the classes they turned out to be, 1 where all classes have as many labels; None
            without labels.
        yield_: Worth of one of its labeled picks by this evidence, 1 for a random one; None without evidence.
    """

    source: Source
    share: float
    scored: int
    mean_score: float | None
    picked: int
    labeled: int = 0
    contradicted: int = 0
    rarity: float | None = None
    yield_: float | None = None


@dataclass(frozen=True, kw_only=True)
class CaptureEstimate:
    """Capture, estimated from ``draws`` uniform draws, with the ends of its confidence interval."""

    value: float
    low: float
    high: float
    confidence: float
    draws: int


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a selection has to say about itself.

    Attributes:
        sources: Those that were asked.
        unique_match_rate: Distinct nearest matches per synthetic sample; None without synthesis.
        redundancy: Part of the picks closer in features to a better pick than half of the random draws are to their
            nearest other draw; None where it cannot be known.
        capture: None where too few samples were drawn uniformly, or scores may be negative.
        reasons: Why the shares are what they are.
        warnings: What deserves attention.
    """

    sources: tuple[SourceReport, ...] = ()
    unique_match_rate: float | None = None
    redundancy: float | None = None
    capture: CaptureEstimate | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One selected sample and why it was selected; None where unknown."""

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
        match_gap: Mean synthetic score minus mean score of the scored matches; None where not both are known.
        synthetic_samples: What the ascent made; None without synthesis.
        diagnosis: What each source was worth.
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
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
