"""What a batch rule is: from scored candidates to the batch that teaches most, which is not that of the highest scores.

A rule is one file with one function and its source; the registry names them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from query_server.selection.ports import Float32, Int64
from query_server.selection.values import BatchRuleName


@dataclass(frozen=True, kw_only=True)
class Shortlist:
    """What a rule chooses from: M scored candidates, the highest score first.

    Attributes:
        scores: float32 [M], descending; of any sign.
        predicted: Predicted classes int64 [M].
        probabilities: Of the mean predictive distribution float32 [M, C], C >= 2.
        passes: Probabilities of every stochastic pass float32 [T, M, C]; None for a deterministic classifier.
        features: Matching features float32 [M, D].
        embedding: The classifier's embedding float32 [M, E]; the matching features where it gives none.
        labeled_embedding: Returns that of the labeled samples float32 [L, E], L may be 0; computed when called.
        labeled_classes: Their labels int64 [L].
        label_counts: Labels so far of each class int64 [C].
    """

    scores: Float32
    predicted: Int64
    probabilities: Float32
    passes: Float32 | None
    features: Float32
    embedding: Float32
    labeled_embedding: Callable[[], Float32]
    labeled_classes: Int64
    label_counts: Int64

    def __len__(self) -> int:
        return len(self.scores)


#: (shortlist, budget, coldness, rng) -> positions in the shortlist int64 [min(budget, M)], no two alike, in the order
#: in which they should be picked.
Choose = Callable[[Shortlist, int, float, np.random.Generator], Int64]


@dataclass(frozen=True, kw_only=True)
class BatchRule:
    """One way to draw a batch.

    Attributes:
        name: As requests name it.
        choose: The rule.
        needs_embedding: Whether it looks at embeddings; they are computed only then.
        needs_labeled: Whether it compares candidates with the labeled samples, in the same embedding.
        needs_passes: Whether it applies to stochastic classifiers alone.
        default_shortlist: Candidates it looks at where the request does not say, as a multiple of the budget; 0 means
            all. For rules whose cost grows faster than M.
    """

    name: BatchRuleName
    choose: Choose
    needs_embedding: bool = False
    needs_labeled: bool = False
    needs_passes: bool = False
    default_shortlist: int = 0
