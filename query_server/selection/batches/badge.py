r"""BADGE: k-means++ on gradient embeddings (Ash et al. 2020).

*Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds*, §3: the gradient of the cross-entropy with
respect to the last layer, were the prediction :math:`\hat y` true, is :math:`g = (p - e_{\hat y}) \otimes h` with the
embedding h, long where the classifier is unsure and in a direction of its own. k-means++ then draws each center in
proportion to its squared distance from those drawn before; the first is the longest, as in the authors' code.

With :math:`q = p - e_{\hat y}`, :math:`g_i \cdot g_j = (q_i \cdot q_j)(h_i \cdot h_j)`: no g, of C · E numbers, is ever
made.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import squared_from_products, squared_norms
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName


def choose_by_badge(shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator) -> Int64:
    """Draw centers by k-means++; O(M · (C + E)) a pick.

    Where every gradient left equals one that was drawn, the highest scores fill the batch up.
    """
    count = min(budget, len(shortlist))
    if count == 0:
        return np.empty(0, np.int64)
    q = shortlist.probabilities.astype(np.float64)
    q[np.arange(len(q)), shortlist.predicted] -= 1
    h = shortlist.embedding.astype(np.float64)
    norms = squared_norms(q) * squared_norms(h)  # |g|², [M]
    picked = [int(np.argmax(norms))]
    nearest = np.full(len(shortlist), np.inf)
    while len(picked) < count:
        last = picked[-1]
        products = (q @ q[last]) * (h @ h[last])
        nearest = np.minimum(nearest, squared_from_products(products, norms, float(norms[last])))
        nearest[last] = 0.0
        total = nearest.sum()
        if not total > 0:
            break
        picked.append(int(rng.choice(len(nearest), p=nearest / total)))
    rest = np.setdiff1d(np.arange(len(shortlist)), picked)[: count - len(picked)]
    return np.concatenate([np.array(picked, np.int64), rest])


BADGE = BatchRule(name=BatchRuleName.BADGE, choose=choose_by_badge, needs_embedding=True)
