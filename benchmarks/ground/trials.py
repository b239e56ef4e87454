"""What is tried: who scores which part, on which features, and how the batch is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from query_server.selection.values import BatchRuleName, Source

#: Of what the matching features are made: principal components of the pixels, of the embedding of an earlier round's
#: classifier, or the class probabilities that up to three earlier classifiers give.
FeaturesName = Literal["pixels", "task", "relevance"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One idea, as a campaign or as a search for high scores.

    Attributes:
        text: for the report.
        shares: parts of the scored samples by source.
        rule: how the batch is made.
        features: matching features.
        cells: whether the bandit over cells stands in the surrogate's place.
    """

    text: str
    shares: Mapping[Source, float]
    rule: BatchRuleName = BatchRuleName.CLASS_BALANCED
    features: FeaturesName = "pixels"
    cells: bool = False


_NEIGHBORS, _SURROGATE, _RANDOM, _CLIMB = (
    Source.LABELED_NEIGHBORS,
    Source.SURROGATE,
    Source.RANDOM,
    Source.CLIMB,
)
_HALF_NEIGHBORS = {_NEIGHBORS: 0.5, _RANDOM: 0.5}
_HALF_SURROGATE = {_SURROGATE: 0.5, _RANDOM: 0.5}

SUBSET, NEIGHBORS = "subset-top", "neighbors"

#: What is measured by what a campaign learns; the first two are what the others are held against.
CAMPAIGNS = {
    SUBSET: Trial(text="top of a random subset", shares={_RANDOM: 1.0}, rule=BatchRuleName.TOP),
    NEIGHBORS: Trial(text="neighbors of labeled samples, half random", shares=_HALF_NEIGHBORS),
    "surrogate": Trial(text="surrogate, half random", shares=_HALF_SURROGATE),
    "neighbors-surrogate": Trial(
        text="neighbors and surrogate a quarter each, half random",
        shares={_NEIGHBORS: 0.25, _SURROGATE: 0.25, _RANDOM: 0.5},
    ),
    "cells": Trial(text="bandit over cells, half random", shares=_HALF_SURROGATE, cells=True),
    "task-neighbors": Trial(
        text="neighbors in task-aware features, half random", shares=_HALF_NEIGHBORS, features="task"
    ),
    "task-surrogate": Trial(
        text="surrogate on task-aware features, half random", shares=_HALF_SURROGATE, features="task"
    ),
}

_SEARCH_CLIMB = {_CLIMB: 0.75, _RANDOM: 0.25}
_SEARCH_SURROGATE = {_SURROGATE: 0.75, _RANDOM: 0.25}

#: What is measured by its capture.
SEARCHES = {
    "subset": Trial(text="random subset", shares={_RANDOM: 1.0}),
    "surrogate": Trial(text="surrogate from a random quarter", shares=_SEARCH_SURROGATE),
    "cells": Trial(text="bandit over cells from a random quarter", shares=_SEARCH_SURROGATE, cells=True),
    "climb": Trial(text="climb from a random quarter", shares=_SEARCH_CLIMB),
    "surrogate-climb": Trial(
        text="climb from a quarter random and a quarter surrogate",
        shares={_SURROGATE: 0.25, _RANDOM: 0.25, _CLIMB: 0.5},
    ),
    "task-climb": Trial(text="climb in task-aware features", shares=_SEARCH_CLIMB, features="task"),
    "task-surrogate": Trial(
        text="surrogate on task-aware features", shares=_SEARCH_SURROGATE, features="task"
    ),
    "relevance-climb": Trial(text="climb over a relevance graph", shares=_SEARCH_CLIMB, features="relevance"),
}
