"""What a selection is asked to do: how candidates are found, and how the batch is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from client.types.acquisition import CandidateSource


@dataclass(frozen=True, kw_only=True)
class Dowser:
    """Candidates from several sources, scored up to a bound: the product's own strategy.

    Synthesis climbs the score in the generator's latent space and matches the nearest real samples. A classifier
    without a gradient that the server could derive is climbed without, for ``steps`` scores a latent.
    """

    max_scored: int = 1000  # real candidates scored at most; 0 is plain ASAL: each synthetic sample's match
    shares: Mapping[CandidateSource, float] | Mapping[str, float] | None = (
        None  # parts of max_scored by source, of any sum; None: learned
    )
    random_floor: float | None = None  # least share drawn uniformly while it learns; None: the server's, 0.5
    latents: int | None = None  # optimized together; None: the budget for plain ASAL, else at most 16
    steps: int | None = None  # Adam steps; None: the server's default, 100
    step_size: float | None = None  # Adam step size; None: the server's default, 0.05
    warm_start: float | None = (
        None  # share of latents that start at the last round's best ends; None: the server's, 0.5 (plain ASAL: 0)
    )
    early_stop: float | None = (
        None  # least relative gain over ten steps, 0: every step; None: the server's, 0.04 (plain ASAL: 0)
    )
    latent_prior: float | None = None  # weight of -|z|^2 / 2, in units of the score; None: the server's, 0
    repulsion: float | None = None  # weight of a penalty on latents close together; None: the server's, 0


@dataclass(frozen=True, kw_only=True)
class Exhaustive:
    """Score everything unlabeled: the O(N) reference."""


@dataclass(frozen=True, kw_only=True)
class Random:
    """Uniform without replacement: the passive baseline."""


@dataclass(frozen=True, kw_only=True)
class RandomSubset:
    """The best of a uniform subset: the equal-cost rival."""

    max_scored: int = 1000  # size of the subset, at least the budget


Strategy: TypeAlias = Dowser | Exhaustive | Random | RandomSubset
"""How candidates are found."""


class BatchRule(StrEnum):
    """How a batch is drawn from the scored candidates."""

    TOP = "top"
    """The highest scores."""
    POWER = "power"
    """Sampling in proportion to a power of the score (Kirsch et al. 2021)."""
    GIBBS = "gibbs"
    """Sampling in proportion to the exponential of the score (Kirsch et al. 2021)."""
    BADGE = "badge"
    """k-means++ on gradient embeddings (Ash et al. 2020)."""
    K_CENTER = "k_center"
    """Farthest-first traversal from the labeled samples (Sener and Savarese 2018)."""
    CLUSTER_MARGIN = "cluster_margin"
    """Low margins, drawn in turns from clusters, the smallest first (Citovsky et al. 2021)."""
    CLASS_BALANCED = "class_balanced"
    """The highest scores, each divided by the labels its predicted class has so far."""
    BATCH_BALD = "batch_bald"
    """Greedy joint mutual information (Kirsch et al. 2019); needs a stochastic classifier."""
    ANCHOR_DISTANCE = "anchor_distance"
    """As many of each predicted class, in each the farthest from its labels (M2-VAAL, Algorithm 1)."""
    ANCHOR_CONFIDENCE = "anchor_confidence"
    """The least confident, weighted by that distance (M2-VAAL, Algorithm 2)."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How the batch is made of what was scored."""

    rule: BatchRule | str | None = None  # None: the strategy's default
    coldness: float | None = (
        None  # exponent of POWER, inverse temperature of GIBBS; None: the server's default, 1
    )
    shortlist: int | None = (
        None  # candidates, the best by score, that the rule looks at; None: the rule's own
    )
    duplicate_distance: float = (
        0.0  # drop what is closer to a better pick than this, in median nearest distances
    )
