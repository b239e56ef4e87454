"""How a sample is scored, and who proposed it."""

from __future__ import annotations

from enum import StrEnum


class Acquisition(StrEnum):
    """How informative a sample is to the current classifier; higher is always more informative.

    Where the classifier is stochastic, the functions of one distribution score the mean over its passes.
    """

    MAXIMUM_ENTROPY = "maximum_entropy"
    """Shannon entropy of the predicted distribution, in nats."""
    LEAST_CONFIDENCE = "least_confidence"
    """One minus the largest class probability."""
    MARGIN = "margin"
    """One minus the gap between the two largest class probabilities."""
    MINIMUM_DISTANCE = "minimum_distance"
    """Minus the gap between the two largest logits."""
    VARIATION_RATIO = "variation_ratio"
    """One minus the share of stochastic passes that predict the modal class; needs a stochastic classifier."""
    BALD = "bald"
    """Mutual information of label and weights over the stochastic passes, in nats; needs a stochastic classifier."""
    MEAN_STANDARD_DEVIATION = "mean_standard_deviation"
    """Spread of the passes' probabilities, averaged over classes; needs a stochastic classifier."""
    EPIG = "epig"
    """Mutual information of the label and those of other pool samples, in nats; needs a stochastic classifier."""
    OWN_SCORE = "own_score"
    """The score that the classifier's graph gives by itself (VAAL's discriminator, VaB-AL's probability of error)."""


class CandidateSource(StrEnum):
    """What proposed a candidate."""

    SYNTHESIS = "synthesis"
    """A real neighbor of a synthetic sample."""
    RANDOM = "random"
    """Drawn uniformly from what is unlabeled."""
    EXHAUSTIVE = "exhaustive"
    """Found by scoring the whole unlabeled pool."""
    LABELED_NEIGHBORS = "labeled_neighbors"
    """Near a labeled sample, of the classes with the fewest labels before others (SEALS)."""
    CLASS_ANCHORS = "class_anchors"
    """Near a few labeled anchors drawn for each class alike (AnchorAL)."""
    CARRY_OVER = "carry_over"
    """Scored well in an earlier round and not picked then."""
    CLIMB = "climb"
    """Reached by a best-first walk over nearest neighbors of what was scored."""
    SEALS = "seals"
    """A neighbor of a labeled sample, whatever its class."""
    SURROGATE = "surrogate"
    """Drawn at random and ranked high by a surrogate from features to scores, fitted to what was scored."""
    UNKNOWN = "unknown"
    """A source of a newer server that this client does not know."""

    @classmethod
    def _missing_(cls, value: object) -> CandidateSource:
        return cls.UNKNOWN
