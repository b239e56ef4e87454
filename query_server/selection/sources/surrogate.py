"""Coarse to fine: a surrogate ranks many random rows by their features, and the best are worth a real score.

The surrogate is Gaussian-process regression (Rasmussen and Williams 2006, algorithm 2.1, mean only) with an RBF kernel
from matching features to the score and to the class probabilities, fitted to what the round has scored so far and to
the labeled samples, whose classes are known. Rows are ranked by the predicted score times the expected rarity of their
class among the labels; where all classes have as many labels that is the score alone.

Asking a surrogate for the whole pool would be O(N); it ranks ten times the rows that will be scored. Its cost is
O(T^3 + T n D) for T at most 512 fitted and n at most 5,120 ranked rows: about 20 ms, whatever the pool.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from query_server.selection.board import NOTHING, Proposal
from query_server.selection.ports import Float32, Int64
from query_server.selection.regression import predict
from query_server.selection.round import Round, draw
from query_server.selection.sources.random_draw import RandomDraw
from query_server.selection.values import Source

# Rows ranked for each that is scored, and how many at most.
_RANKED, _MAX_RANKED = 10, 5120
# Rows the surrogate is fitted to at most, half of them labeled ones.
_FITTED = 512
# Length of the kernel in median distances between fitted rows, and noise variance in those of the targets; capture is
# the same within a hundredth for 0.25 to 1 and 0.02 to 0.5.
_LENGTH, _NOISE = 0.5, 0.1
# Random rows to fit to, for each of the budget, where no other source has scored any.
_STARTS = 5
# Predicted scores and probabilities at least: an extrapolation may be negative.
_LOWEST_SCORE, _LOWEST_PROBABILITY = 0.02, 1e-3


class Surrogate:
    """The open rows, of many drawn uniformly, that are predicted to score best."""

    source: ClassVar[Source] = Source.SURROGATE
    step: ClassVar[int] = 500

    def propose(self, round_: Round, count: int) -> Proposal:
        """Fit, draw, rank."""
        if not round_.board.scored:
            return RandomDraw().propose(round_, min(count, _STARTS * round_.budget))
        rng = np.random.default_rng([round_.seed, round_.board.scored])
        drawn = draw(round_.open, min(_RANKED * count, max(_MAX_RANKED, count)), rng)
        if not len(drawn):
            return NOTHING
        with round_.clock.stage("rank"):
            features, targets = _evidence(round_, rng)
            predicted = predict(features, targets, round_.near.features(drawn), length=_LENGTH, noise=_NOISE)
            probabilities = np.maximum(predicted[:, 1:], _LOWEST_PROBABILITY)
            probabilities /= probabilities.sum(1, keepdims=True)
            rarity = probabilities @ round_.labeled.rarity()
            worth = np.maximum(predicted[:, 0], _LOWEST_SCORE) * rarity
        return Proposal(rows=drawn[np.argsort(-worth, kind="stable")[:count]])


def _evidence(round_: Round, rng: np.random.Generator) -> tuple[Float32, Float32]:
    """Return features [T, D] and targets [T, 1 + C]: score and class probabilities of scored and labeled rows."""
    entries = round_.board.entries()
    classes = entries.probabilities.shape[1]
    labeled = round_.labeled
    known = np.flatnonzero((labeled.labels >= 0) & (labeled.labels < classes))
    known = rng.permutation(known)[: _FITTED // 2]
    scored = rng.permutation(len(entries))[: _FITTED - len(known)]
    targets = np.column_stack([entries.scores[scored], entries.probabilities[scored]])
    # What is labeled has nothing left to ask: the score of a labeled sample is the lowest seen.
    of_known = np.zeros((len(known), 1 + classes), np.float32)
    of_known[:, 0] = entries.scores.min()
    of_known[np.arange(len(known)), 1 + labeled.labels[known]] = 1
    rows: Int64 = np.concatenate([entries.rows[scored], labeled.rows[known]])
    return round_.near.features(rows), np.concatenate([targets, of_known]).astype(np.float32)
