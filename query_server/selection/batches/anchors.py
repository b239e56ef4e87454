r"""How far candidates are from the anchors of their class, summed: what Algorithms 1 and 2 of M2-VAAL share.

*Active Learning using Deep Generative Models* (Losalka, Singhania and Sun), section 3.2.1: anchors of a class are its
labeled samples and the picks predicted to be of it; a candidate is worth its total Euclidean distance to those of its
predicted class, :math:`d_i = \sum_{a \in A(\hat y_i)} |h_i - h_a|`, in the latent space. Here that is the classifier's
embedding, of which M2's latents are one.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import (
    Float64,
    centered,
    squared_distances,
    squared_from_products,
    squared_norms,
)
from query_server.selection.batches.rule import Shortlist
from query_server.selection.ports import Int64


class Anchors:
    """Total distances of M candidates to the anchors of their classes, kept as picks become anchors.

    Args:
        shortlist: The candidates; O(M · L_c · E) for the L_c labeled samples of each class.

    Attributes:
        totals: float64 [M]; 0 where a class has no anchor yet.
    """

    def __init__(self, shortlist: Shortlist) -> None:
        size = len(shortlist)
        labeled = shortlist.labeled_embedding()
        points = centered(
            np.concatenate([shortlist.embedding, labeled.reshape(-1, shortlist.embedding.shape[1])])
        )
        self._points, anchors = points[:size], points[size:]
        self._norms = squared_norms(self._points)
        self._members = {
            int(c): np.flatnonzero(shortlist.predicted == c) for c in np.unique(shortlist.predicted)
        }
        self.totals = np.zeros(size)
        for label, members in self._members.items():
            of_class = anchors[shortlist.labeled_classes == label]
            for rows, squared in squared_distances(self._points[members], of_class):
                self.totals[members[rows]] = np.sqrt(squared).sum(axis=1)
        self._predicted = shortlist.predicted

    def add(self, pick: int) -> None:
        """Make a candidate an anchor of its predicted class; O(M_c · E)."""
        members = self._members[int(self._predicted[pick])]
        products = self._points[members] @ self._points[pick]
        squared = squared_from_products(products, self._norms[members], float(self._norms[pick]))
        self.totals[members] += np.sqrt(squared)

    def members(self, label: int) -> Int64:
        """Return the candidates int64 [M_c] predicted to be of a class."""
        return self._members[label]

    def normalized(self) -> Float64:
        """Return each total as a part of its class's largest [M], in (0, 1]; 1 throughout a class of totals 0."""
        shares = np.ones(len(self.totals))
        for members in self._members.values():
            largest = self.totals[members].max()
            if largest > 0:
                shares[members] = self.totals[members] / largest
        return shares
