"""What a selection has to say about itself."""

from __future__ import annotations

from dataclasses import dataclass

from client.types.acquisition import CandidateSource


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What one source was worth."""

    source: CandidateSource
    share: float  # of the scored samples as the policy set it, 0 to 1
    scored: int  # candidates scored that it was the first to propose
    mean_score: float | None  # theirs; None with none
    picked: int  # picks among them
    labeled: int  # its picks of earlier rounds that have labels by now, ...
    contradicted: int  # ... those whose label was not the class predicted, ...
    rarity: float | None  # ... and the mean rarity of their classes, 1 where all have as many labels
    yield_: float | None  # worth of one of its labeled picks by this evidence, 1 for a random one


@dataclass(frozen=True, kw_only=True)
class CaptureEstimate:
    """Mean score of the batch over that of the pool's best batch, estimated from the random draws."""

    value: float
    low: float  # ends of the confidence interval
    high: float
    confidence: float  # its level
    draws: int  # random draws it was made from


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a selection has to say about itself; empty from a server that says nothing."""

    sources: tuple[SourceReport, ...] = ()  # those that were asked, in the policy's order
    unique_match_rate: float | None = None  # distinct nearest matches per synthetic sample
    redundancy: float | None = (
        None  # part of the picks closer to a better one than half of the random draws are
    )
    capture: CaptureEstimate | None = None  # None with too few random draws, or where scores may be negative
    reasons: tuple[str, ...] = ()  # why the shares are what they are
    warnings: tuple[str, ...] = ()  # what deserves attention
