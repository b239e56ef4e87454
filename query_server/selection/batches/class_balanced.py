"""Class-balanced: the highest scores, each divided by the labels of its predicted class.

Each pick is the candidate with the largest score / (1 + n), where n counts the labels of the class predicted for it so
far *and the picks of this batch* that are predicted to be of it: as if every prediction came true. A class with few
labels is chased, a class that fills the batch makes room. Like the class-balancing acquisition of Bengar et al. (2022,
*Class-Balanced Active Learning for Image Classification*), but greedy.

Dividing means nothing for negative scores: where there is one, every score is replaced by its rank, 1 for the best down
to 1/M.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import Float64
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Float32, Int64
from query_server.selection.values import BatchRuleName


def choose_class_balanced(
    shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator
) -> Int64:
    """Take the best of the class whose best is worth most, in turn; O(M log M + B · C).

    Among equals the class with fewer labels and picks comes first, then the higher score.
    """
    size = len(shortlist)
    scores = _not_negative(shortlist.scores)
    by_class = np.argsort(shortlist.predicted, kind="stable")  # within a class the highest score first
    classes, starts = np.unique(shortlist.predicted[by_class], return_index=True)
    ends = np.append(starts[1:], size)
    counts = shortlist.label_counts[classes].astype(np.float64)
    heads = starts.copy()
    picked = np.empty(min(budget, size), np.int64)
    for turn in range(len(picked)):
        best = by_class[np.minimum(heads, size - 1)]  # position of each class's best candidate left
        worth = np.where(heads < ends, scores[best] / (1 + counts), -np.inf)
        chosen = np.lexsort((best, counts, -worth))[0]
        picked[turn] = best[chosen]
        heads[chosen] += 1
        counts[chosen] += 1
    return picked


def _not_negative(scores: Float32) -> Float64:
    """Return scores [M] as they are, or their ranks where one is negative; equal scores have equal ranks."""
    wide = scores.astype(np.float64)
    if not np.any(wide < 0):
        return wide
    better = np.searchsorted(-wide, -wide, side="left")
    return np.asarray(1 - better / len(wide))


CLASS_BALANCED = BatchRule(name=BatchRuleName.CLASS_BALANCED, choose=choose_class_balanced)
