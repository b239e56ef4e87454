"""What a caller says of candidates that it scored itself, and the acquisition functions in numpy to score them by.

The formulas are the server's (query_server/acquisition), from logits instead of in a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.errors import invalid_argument
from client.types.acquisition import Acquisition

_Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """M scored candidates, in the order in which their ids were given.

    Any score will do, the higher the more informative; `from_logits` and `from_probabilities` compute Dowser's own.
    """

    scores: NDArray[np.floating[Any]]  # [M], finite
    probabilities: NDArray[np.floating[Any]]  # [M, C], C >= 2, or [T, M, C] of T stochastic passes
    embedding: NDArray[np.floating[Any]] | None = (
        None  # [M, E]; without, batch rules look at matching features
    )

    @classmethod
    def from_logits(
        cls,
        logits: NDArray[Any],
        acquisition: Acquisition | str = Acquisition.MARGIN,
        *,
        embedding: NDArray[Any] | None = None,
        own_score: NDArray[Any] | None = None,
    ) -> Scores:
        """Score logits.

        Args:
            logits: [M, C], or [T, M, C] of T stochastic passes; one logit l means a binary classifier, (0, l).
            acquisition: What counts as informative.
            embedding: The classifier's embedding [M, E].
            own_score: What the classifier's own output `score` says [M], for `Acquisition.OWN_SCORE`.

        Raises:
            InvalidArgumentError: The function needs passes or an own score and there are none, or it is one that only
                the server can compute (EPIG, which asks about other samples of the pool).
        """
        logits = np.asarray(logits, np.float64)
        if logits.ndim not in (2, 3):
            raise invalid_argument(
                f"logits must be [M, C] or [T, M, C], got {list(logits.shape)}", field="logits"
            )
        if logits.shape[-1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return cls(
            scores=_score(log_p, acquisition, own_score).astype(np.float32),
            probabilities=np.exp(log_p).astype(np.float32),
            embedding=embedding,
        )

    @classmethod
    def from_probabilities(
        cls,
        probabilities: NDArray[Any],
        acquisition: Acquisition | str = Acquisition.MARGIN,
        *,
        embedding: NDArray[Any] | None = None,
        own_score: NDArray[Any] | None = None,
    ) -> Scores:
        """Score class probabilities [M, C] or [T, M, C], as `from_logits` does logits; C is at least 2."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.asarray(probabilities, np.float64))
        return cls.from_logits(np.maximum(logs, -1e4), acquisition, embedding=embedding, own_score=own_score)


def _score(log_p: _Float, acquisition: Acquisition | str, own_score: NDArray[Any] | None) -> _Float:
    """Return the scores [M] of log-probabilities [M, C] or [T, M, C]."""
    name = Acquisition(acquisition)
    if name is Acquisition.OWN_SCORE:
        count = log_p.shape[-2]
        if own_score is None or own_score.shape != (count,):
            raise invalid_argument(
                f"own_score needs the classifier's output score [{count}], got "
                f"{'none' if own_score is None else list(own_score.shape)}; export one that gives it",
                field="acquisition",
            )
        return np.asarray(own_score, np.float64)
    if name in _OF_PASSES:
        if log_p.ndim != 3 or len(log_p) < 2:
            raise invalid_argument(
                f"{name} needs logits [T, M, C] of at least 2 stochastic passes, got {list(log_p.shape)}",
                field="acquisition",
            )
        return _OF_PASSES[name](log_p)
    if name not in _OF_ONE:
        raise invalid_argument(
            f"{name} is computed by the server alone: it asks about other samples of the pool; there are "
            f"{', '.join([*_OF_ONE, *_OF_PASSES])}",
            field="acquisition",
        )
    if log_p.ndim == 3:
        # The distance to a boundary is one of logits, and of their mean; the others read the mean distribution.
        log_p = log_p.mean(axis=0) if name is Acquisition.MINIMUM_DISTANCE else _log_mean(log_p)
    return _OF_ONE[name](log_p)


def _log_mean(log_p: _Float) -> _Float:
    """Return the logarithm [M, C] of the mean distribution of passes [T, M, C]."""
    mean: _Float = np.logaddexp.reduce(log_p, axis=0) - np.log(len(log_p))
    return mean


def _top_two(values: _Float) -> tuple[_Float, _Float]:
    ordered = np.partition(values, -2, axis=1)
    return ordered[:, -1], ordered[:, -2]


def _entropy(log_p: _Float) -> _Float:
    entropy: _Float = -(np.exp(log_p) * log_p).sum(axis=-1)
    return entropy


def _least_confidence(log_p: _Float) -> _Float:
    confidence: _Float = 1 - np.exp(log_p.max(axis=1))
    return confidence


def _margin(log_p: _Float) -> _Float:
    first, second = _top_two(np.exp(log_p))
    return 1 - (first - second)


def _minimum_distance(log_p: _Float) -> _Float:
    first, second = _top_two(log_p)
    return second - first


def _variation_ratio(log_p: _Float) -> _Float:
    votes = np.eye(log_p.shape[2])[log_p.argmax(axis=2)].mean(axis=0)
    ratio: _Float = 1 - votes.max(axis=1)
    return ratio


def _bald(log_p: _Float) -> _Float:
    divergence: _Float = (np.exp(log_p) * (log_p - _log_mean(log_p))).sum(axis=2).mean(axis=0)
    return divergence


def _mean_standard_deviation(log_p: _Float) -> _Float:
    deviation: _Float = np.exp(log_p).std(axis=0).mean(axis=1)
    return deviation


_OF_ONE: dict[Acquisition, Callable[[_Float], _Float]] = {
    Acquisition.MAXIMUM_ENTROPY: _entropy,
    Acquisition.LEAST_CONFIDENCE: _least_confidence,
    Acquisition.MARGIN: _margin,
    Acquisition.MINIMUM_DISTANCE: _minimum_distance,
}
_OF_PASSES: dict[Acquisition, Callable[[_Float], _Float]] = {
    Acquisition.VARIATION_RATIO: _variation_ratio,
    Acquisition.BALD: _bald,
    Acquisition.MEAN_STANDARD_DEVIATION: _mean_standard_deviation,
}
