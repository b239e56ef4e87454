r"""BatchBALD: greedy joint mutual information between a batch's labels and the weights (Kirsch et al. 2019).

*BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning*, algorithm 1: each pick maximizes
:math:`I(y_{1:n}; w)` over the T passes. By the chain rule that is the largest gain

.. math:: I(y_n; w \mid y_{1:n-1})
          = \mathbb{E}_{y_{1:n-1}}\Big[H\Big(\sum_t q_t\,p_t(y_n)\Big) - \sum_t q_t\,H(p_t(y_n))\Big],
          \qquad q_t \propto \prod_{i<n} p_t(y_i),

BALD with the passes weighted by how well they would explain the labels of the picks before. All :math:`C^{n-1}`
configurations of those labels are summed over while they are few; beyond, a fixed number is drawn from their joint
distribution: a pass, then a label of every pick from it.

Deviations: the paper subtracts the conditional entropy over all passes alike from an estimate of the joint one; here
both terms are taken over the same configurations, which has the same expectation, varies less and is never negative.
The labels can tell no more than which of T passes is right, log T nats: where a pick would gain less than a hundredth
of what the best candidate is worth alone, the picks start over with a joint of their own instead of following noise.
"""

from __future__ import annotations

import numpy as np

from query_server.errors import invalid_argument
from query_server.selection.batches.distances import Float64
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Int64
from query_server.selection.values import BatchRuleName

# Configurations times classes: with M · T, the cost of a pick. Of many classes there are at least so many.
_CONFIGURATIONS_TIMES_CLASSES = 10_000
_FEWEST_CONFIGURATIONS = 50
_MOST_CANDIDATES = 400
_MOST_JOINT_PICKS = 200
_USED_UP = 0.01
_ROUNDING_NATS = 1e-9
_BLOCK_ENTRIES = 1 << 21


def choose_by_batch_bald(
    shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator
) -> Int64:
    """Pick greedily among the best 400; O(10,000 · M · T) a pick. Picks past the 200th follow by score.

    Raises:
        DowserError: INVALID_ARGUMENT for a deterministic classifier.
    """
    if shortlist.passes is None:
        raise invalid_argument(
            "batch.rule", str(BatchRuleName.BATCH_BALD), "another rule, or the classifier stochastic"
        )
    count = min(budget, len(shortlist))
    p = shortlist.passes[:, :_MOST_CANDIDATES].transpose(1, 0, 2).astype(np.float64)  # [M, T, C]
    entropies = _entropy(p)  # [M, T]
    joint = _Joint(passes=p.shape[1], classes=p.shape[2], rng=rng)
    alone = joint.gains(p, entropies)
    left = np.arange(len(p))
    picked: list[int] = []
    while len(picked) < min(count, len(p), _MOST_JOINT_PICKS):
        gains = joint.gains(p[left], entropies[left])
        best = int(np.argmax(gains))
        if gains[best] <= max(_ROUNDING_NATS, _USED_UP * alone[left].max()):
            if joint.empty:  # every pass says the same of all that is left
                break
            joint = _Joint(passes=p.shape[1], classes=p.shape[2], rng=rng)
            continue
        picked.append(int(left[best]))
        left = np.delete(left, best)
        joint.add(p[picked[-1]])
    rest = np.setdiff1d(np.arange(len(shortlist)), picked)[: count - len(picked)]
    return np.concatenate([np.array(picked, np.int64), rest])


class _Joint:
    """Label configurations of the picks so far, and what each says of the passes.

    Attributes:
        empty: Whether nothing was picked yet.
    """

    def __init__(self, *, passes: int, classes: int, rng: np.random.Generator) -> None:
        self.empty = True
        self._most = max(_FEWEST_CONFIGURATIONS, _CONFIGURATIONS_TIMES_CLASSES // classes)
        self._rng = rng
        self._log_likelihood = np.zeros((1, passes))  # log p(configuration | pass), [S, T]
        # The pass that each configuration was drawn from [S]; None while there are all configurations.
        self._drawn_from: Int64 | None = None

    def gains(self, p: Float64, entropies: Float64) -> Float64:
        """Return I(y; w | labels of the picks) in nats [m] of candidates [m, T, C] with entropies [m, T]."""
        top = self._log_likelihood.max(axis=1, keepdims=True)
        posterior = np.exp(self._log_likelihood - top)  # [S, T]
        evidence = posterior.mean(axis=1) * np.exp(top[:, 0])
        posterior /= posterior.sum(axis=1, keepdims=True)
        size = len(posterior)
        weights = evidence if self._drawn_from is None else np.full(size, 1 / size)
        gains = -entropies @ (weights @ posterior)
        step = max(1, _BLOCK_ENTRIES // (size * p.shape[2]))
        for start in range(0, len(p), step):
            part = p[start : start + step]
            mixed = np.einsum("st,mtc->smc", posterior, part, optimize=True)
            gains[start : start + step] += weights @ _entropy(mixed)
        return np.asarray(gains)

    def add(self, p: Float64) -> None:
        """Extend every configuration by a label of a pick [T, C]."""
        passes, classes = p.shape
        log_p = np.log(np.maximum(p, np.finfo(np.float64).tiny))
        self.empty = False
        if self._drawn_from is None and len(self._log_likelihood) * classes <= self._most:
            extended = self._log_likelihood[:, None, :] + log_p.T[None]  # [S, C, T]
            self._log_likelihood = extended.reshape(-1, passes)
            return
        if self._drawn_from is None:
            self._drawn_from = self._draw(passes)
        cumulative = np.cumsum(p, axis=1)[self._drawn_from]  # [S, C]
        uniform = self._rng.random(len(cumulative)) * cumulative[:, -1]
        labels = (cumulative[:, :-1] <= uniform[:, None]).sum(axis=1)
        self._log_likelihood = self._log_likelihood + log_p[:, labels].T

    def _draw(self, passes: int) -> Int64:
        """Go over from all configurations to drawn ones; return the pass [S] that each was drawn from."""
        likelihood = np.exp(self._log_likelihood)  # [S, T]
        drawn_from = self._rng.permutation(np.arange(self._most, dtype=np.int64) % passes)
        chosen = np.empty(self._most, np.int64)
        for pass_ in range(passes):
            mine = np.flatnonzero(drawn_from == pass_)
            weights = likelihood[:, pass_]
            chosen[mine] = self._rng.choice(len(weights), size=len(mine), p=weights / weights.sum())
        self._log_likelihood = self._log_likelihood[chosen]
        return drawn_from


def _entropy(p: Float64) -> Float64:
    """Return the entropy in nats [...] of distributions [..., C]."""
    return np.asarray(-(p * np.log(np.maximum(p, np.finfo(np.float64).tiny))).sum(axis=-1))


BATCH_BALD = BatchRule(
    name=BatchRuleName.BATCH_BALD, choose=choose_by_batch_bald, needs_passes=True, default_shortlist=20
)
