"""Anchor distance: as many of each predicted class, in each the farthest from its anchors (M2-VAAL, Algorithm 1).

Losalka, Singhania and Sun, *Active Learning using Deep Generative Models*, section 3.2.1: b/N samples of the cluster of
every class in the latent space, one after the other the one with the largest total distance from the class's labeled
samples and picks. The paper does not say what happens where b is no multiple of N, or a class has too few candidates:
here classes take turns, those with the fewest labels first, and one without candidates left is passed over. Without an
anchor in a class the highest score begins.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.anchors import Anchors
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName


def choose_by_anchor_distance(
    shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator
) -> Int64:
    """Take the farthest of each class in turn; O(M_c · E) a pick, after the distances to the labeled samples."""
    anchors = Anchors(shortlist)
    free = np.ones(len(shortlist), bool)
    classes = np.unique(shortlist.predicted)
    turns = classes[np.argsort(shortlist.label_counts[classes], kind="stable")].tolist()
    picked: list[int] = []
    while len(picked) < min(budget, len(shortlist)):
        for label in turns:
            members = anchors.members(label)
            members = members[free[members]]
            if not len(members) or len(picked) == budget:
                continue
            # The first of equals has the highest score.
            pick = int(members[np.argmax(anchors.totals[members])])
            picked.append(pick)
            free[pick] = False
            anchors.add(pick)
    return np.array(picked, np.int64)


ANCHOR_DISTANCE = BatchRule(
    name=BatchRuleName.ANCHOR_DISTANCE,
    choose=choose_by_anchor_distance,
    needs_embedding=True,
    needs_labeled=True,
)
