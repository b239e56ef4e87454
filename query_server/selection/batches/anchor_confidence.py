r"""Anchor confidence: the least confident, weighted by their distance from the anchors (M2-VAAL, Algorithm 2).

Losalka, Singhania and Sun, *Active Learning using Deep Generative Models*, section 3.2.2: the distances of Algorithm 1,
without its quota of each class, and "the prediction probabilities for each sample" weighted "by the normalized distance
scores". The paper gives no formula; here a pick has the largest
:math:`(1 - \max_c p_c)\, d_i / \max_{j: \hat y_j = \hat y_i} d_j`, the total distance as a part of its class's largest,
so that a class of many anchors does not outweigh the others. A pick becomes an anchor at once.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.anchors import Anchors
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName


def choose_by_anchor_confidence(
    shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator
) -> Int64:
    """Take the largest weighted unconfidence; O(M · E) a pick, after the distances to the labeled samples."""
    anchors = Anchors(shortlist)
    doubt = 1 - shortlist.probabilities.max(axis=1).astype(np.float64)  # [M]
    picked = np.empty(min(budget, len(shortlist)), np.int64)
    for turn in range(len(picked)):
        worth = doubt * anchors.normalized()
        worth[picked[:turn]] = -np.inf
        picked[turn] = np.argmax(worth)
        anchors.add(int(picked[turn]))
    return picked


ANCHOR_CONFIDENCE = BatchRule(
    name=BatchRuleName.ANCHOR_CONFIDENCE,
    choose=choose_by_anchor_confidence,
    needs_embedding=True,
    needs_labeled=True,
)
