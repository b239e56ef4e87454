r"""Sampling by score without replacement (Kirsch et al. 2021, *Stochastic Batch Acquisition*).

A batch of the highest scores ignores that scores change with every label of it; noise on the scores makes up for that.
With :math:`\varepsilon_i` standard Gumbel noise and coldness :math:`\beta`, the batch is the largest of

- power: :math:`\beta\log s_i + \varepsilon_i`, draws in proportion to :math:`s_i^\beta` (their default, β = 1);
- Gibbs ("softmax" there): :math:`\beta s_i/\sigma + \varepsilon_i`, draws in proportion to the exponential.

Deviations: the Gibbs rule divides by the scores' standard deviation :math:`\sigma`, so that a coldness means the same
for every acquisition function; the power rule, which knows no negative scores, shifts scores of which any is negative
until the lowest is zero. Zeros count as the smallest positive number.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import Float64
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName


def choose_by_power(shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator) -> Int64:
    """Draw in proportion to score^coldness, in the order of the perturbed scores."""
    scores = shortlist.scores.astype(np.float64)
    if np.any(scores < 0):
        scores = scores - scores.min()
    return _largest(coldness * np.log(np.maximum(scores, np.finfo(np.float64).tiny)), budget, rng)


def choose_by_gibbs(shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator) -> Int64:
    """Draw in proportion to exp(coldness · score / std), in the order of the perturbed scores."""
    scores = shortlist.scores.astype(np.float64)
    spread = scores.std() if len(scores) else 0.0
    return _largest(coldness * scores / spread if spread > 0 else np.zeros_like(scores), budget, rng)


def _largest(log_weights: Float64, budget: int, rng: np.random.Generator) -> Int64:
    """Draw without replacement in proportion to exp(log_weights [M]), by the Gumbel-top-k trick."""
    perturbed = log_weights + rng.gumbel(size=len(log_weights))
    return np.argsort(-perturbed, kind="stable")[:budget]


POWER = BatchRule(name=BatchRuleName.POWER, choose=choose_by_power)
GIBBS = BatchRule(name=BatchRuleName.GIBBS, choose=choose_by_gibbs)
