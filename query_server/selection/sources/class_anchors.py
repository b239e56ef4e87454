"""A few labeled anchors of every class alike, and what is near them.

AnchorAL (Lesci and Vlachos 2024, *Computationally Efficient Active Learning for Large and Imbalanced Datasets*): in
every round a fixed number of anchors is chosen for each class among its labels, and the unlabeled samples most similar
to any of them make the subpool. Anchors are chosen by k-means++ (Arthur and Vassilvitskii 2007), so that they differ.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from query_server.selection.board import Proposal
from query_server.selection.ports import Float32, Int64
from query_server.selection.round import Round
from query_server.selection.sources.nearest import near_groups
from query_server.selection.values import Source

_ANCHORS = 10


class ClassAnchors:
    """The nearest open rows of each class's anchors, as many for one class as for another."""

    source: ClassVar[Source] = Source.CLASS_ANCHORS
    step: ClassVar[int] = 0

    def propose(self, round_: Round, count: int) -> Proposal:
        """Choose anchors and search around them."""
        labeled = round_.labeled
        rng = round_.rng(self.source)
        found = np.unique(labeled.labels)
        members = [labeled.rows[labeled.labels == each] for each in found]
        groups = [rows[spread_out(round_.near.features(rows), _ANCHORS, rng)] for rows in members]
        # The rows left over by the division go to the classes with the fewest labels.
        quotas = [count // max(1, len(found))] * len(found)
        fewest = np.argsort([np.count_nonzero(labeled.labels == each) for each in found], kind="stable")
        for each in fewest[: count - sum(quotas)]:
            quotas[each] += 1
        return near_groups(round_, groups, quotas)


def spread_out(features: Float32, count: int, rng: np.random.Generator) -> Int64:
    """Return where up to ``count`` of features [n, D] lie apart: each drawn by squared distance to those before."""
    if len(features) <= count:
        return np.arange(len(features))
    chosen = [int(rng.integers(len(features)))]
    nearest = np.square(features - features[chosen[0]]).sum(1)
    while len(chosen) < count and nearest.sum() > 0:
        chosen.append(int(rng.choice(len(features), p=nearest / nearest.sum(dtype=np.float64))))
        nearest = np.minimum(nearest, np.square(features - features[chosen[-1]]).sum(1))
    return np.array(chosen)
