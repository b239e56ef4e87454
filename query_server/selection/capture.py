r"""How good a batch is beside the best of the whole pool, estimated from the random draws alone.

Capture is the mean score of the batch divided by that of the B best of N. The draws are few and the B best far out in
the tail, so that tail is extrapolated: a generalized Pareto distribution fitted to the highest draws by
probability-weighted moments (Hosking and Wallis 1987), whose mean beyond the quantile 1 - B/N is the estimate
(McNeil, Frey and Embrechts 2005, equation 7.19); bounded by what a score can be, and below by the best that were seen.
The interval is a bootstrap over the draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from query_server.selection.ports import Float32
from query_server.selection.values import CaptureEstimate

MIN_DRAWS = 30
_CONFIDENCE = 0.9
_RESAMPLES = 200
# The tail is fitted to this part of the draws, and to no fewer than so many of them.
_TAIL, _MIN_TAIL = 0.1, 15
# A heavier tail than this has no business among bounded scores, and its mean explodes.
_MAX_SHAPE = 0.3


def estimate_capture(
    batch: Float32,
    draws: Float32,
    *,
    best_seen: Float32,
    pool: int,
    bound: float,
    rng: np.random.Generator,
) -> CaptureEstimate | None:
    """Estimate capture.

    Args:
        batch: Scores of the picks float32 [B].
        draws: Scores of uniform draws float32 [n].
        best_seen: The B best scores of all that were scored float32 [B].
        pool: Samples that could have been picked, N.
        bound: What no score exceeds, infinity where that is not known.
        rng: Of the bootstrap.

    Returns:
        None with fewer than ``MIN_DRAWS`` draws or where a score is negative.
    """
    if len(draws) < MIN_DRAWS or (draws < 0).any() or (batch < 0).any():
        return None
    part = len(batch) / pool
    least = float(best_seen.mean())
    resampled = draws[rng.integers(0, len(draws), (_RESAMPLES, len(draws)))]
    tops = np.array([top_mean(each, part) for each in (draws, *resampled)])
    tops = np.maximum(np.minimum(tops, bound), max(least, 1e-30))
    captures = float(batch.mean()) / tops
    low, high = np.quantile(captures[1:], [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return CaptureEstimate(
        value=float(captures[0]),
        low=float(low),
        high=float(high),
        confidence=_CONFIDENCE,
        draws=len(draws),
    )


def top_mean(draws: NDArray[np.floating], part: float) -> float:
    """Return the mean of the highest ``part`` of what draws [n] were drawn from, beyond the draws if need be."""
    ordered = np.sort(draws.astype(np.float64))[::-1]
    tail = max(_MIN_TAIL, round(_TAIL * len(draws)))
    if part * len(draws) >= tail:
        return float(ordered[: round(part * len(draws))].mean())
    threshold = ordered[tail]
    excess = ordered[:tail] - threshold
    scale, shape = _pareto(excess)
    if scale <= 0:
        return float(ordered[:tail].mean())
    ratio = part * len(draws) / tail
    beyond = -scale * np.log(ratio) if abs(shape) < 1e-6 else scale / shape * (ratio**-shape - 1)
    return float(threshold + (beyond + scale) / (1 - shape))


def _pareto(excess: NDArray[np.float64]) -> tuple[float, float]:
    """Fit scale and shape to excesses [m], highest first, by probability-weighted moments."""
    count = len(excess)
    mean = excess.mean()
    # a1 = E[y (1 - F(y))]: with the highest first, the i-th has (i + 0.35) / m of the others above it.
    weighted = float((excess * (np.arange(count) + 0.35) / count).mean())
    if mean <= 2 * weighted or mean <= 0:
        return float(mean), 0.0
    shape = min(2 - mean / (mean - 2 * weighted), _MAX_SHAPE)
    return float(mean * (1 - shape)), shape
