"""k-center greedy: cover the candidates (Sener and Savarese 2018, *Active Learning for CNNs: A Core-Set Approach*).

Algorithm 1: each pick is the candidate farthest, in the classifier's embedding, from the labeled samples and the picks
before it (Gonzalez's farthest-first traversal: a radius at most twice the best possible). The score decides only among
equally far candidates and, without any label, the first pick.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import (
    centered,
    squared_distances,
    squared_from_products,
    squared_norms,
)
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName


def choose_by_k_center(shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator) -> Int64:
    """Take the farthest first; O(M · E) a pick after O(M · L · E) for the L labeled samples."""
    size = len(shortlist)
    labeled = shortlist.labeled_embedding()
    points = centered(
        np.concatenate([shortlist.embedding, labeled.reshape(-1, shortlist.embedding.shape[1])])
    )
    candidates, anchors = points[:size], points[size:]
    nearest = np.full(size, np.inf)  # squared distance to the nearest center, -1 for centers
    if len(anchors):
        for rows, squared in squared_distances(candidates, anchors):
            nearest[rows] = squared.min(axis=1)
    norms = squared_norms(candidates)
    picked = np.empty(min(budget, size), np.int64)
    for turn in range(len(picked)):
        farthest = int(np.argmax(nearest))  # the first of equals has the highest score
        picked[turn] = farthest
        products = candidates @ candidates[farthest]
        nearest = np.minimum(nearest, squared_from_products(products, norms, float(norms[farthest])))
        nearest[picked[: turn + 1]] = -1.0
    return picked


K_CENTER = BatchRule(
    name=BatchRuleName.K_CENTER, choose=choose_by_k_center, needs_embedding=True, needs_labeled=True
)
