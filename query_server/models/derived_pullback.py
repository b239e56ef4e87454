"""The gradient of a classifier that was uploaded without one, derived on the server and trusted only after a check.

The check compares, on a few random samples, the derived derivative of a random weighting c of the logits along a random
direction v, ⟨dx(x, c), v⟩, with the central difference (⟨c, logits(x + h v)⟩ - ⟨c, logits(x - h v)⟩) / 2h. Any
acquisition score's gradient is one such c, so that one check serves all of them. ReLU and max pooling have kinks that
spoil single differences, so the median of all is what must be small; and where most samples have no gradient at all, as
in trees spelled in plain operators, an ascent would stand still and none is derived.
"""

from __future__ import annotations

import logging
import math

import numpy as np
import onnx
from numpy.typing import NDArray

from graphs import GraphError, derive_pullback
from query_server.models.runtime import Runtime

_LOG = logging.getLogger(__name__)

SAMPLES = 8
DIRECTIONS = 4
STEP = 1e-2
"""Root mean square of h v, an element of x: small beside inputs of about 1, large beside float32's noise."""

TOLERANCE = 0.05
"""Largest median of |difference - derivative|, relative to the root mean square of the derivatives."""


def derived_pullback(
    classifier: onnx.ModelProto, *, classifier_id: str, input_shape: tuple[int, ...], runtime: Runtime
) -> onnx.ModelProto | None:
    """Return the classifier with a pullback of its logits, or None where it has none that holds.

    Args:
        classifier: x [B, *input_shape] -> logits or probabilities [B, C], checked.
        classifier_id: For the log.
        input_shape: Shape of one x.
        runtime: Runs the check.
    """
    try:
        derived = derive_pullback(classifier)
        error = _error(derived, input_shape, runtime)
    except GraphError as reason:
        _LOG.info("no gradient for classifier %s: %s", classifier_id, reason)
        return None
    except Exception:  # somebody else's graph met rules written for ours; there is a way without a gradient
        _LOG.warning("the gradient of classifier %s could not be derived", classifier_id, exc_info=True)
        return None
    if error == math.inf:
        _LOG.info("no gradient for classifier %s: it is zero nearly everywhere", classifier_id)
        return None
    if not error <= TOLERANCE:
        _LOG.warning(
            "the gradient derived for classifier %s is off by %.3g of its size (%g are allowed); it is not used",
            classifier_id,
            error,
            TOLERANCE,
        )
        return None
    return derived


def _error(derived: onnx.ModelProto, input_shape: tuple[int, ...], runtime: Runtime) -> float:
    """Return the median error of the derivatives relative to their size; infinite where most are zero."""
    rng = np.random.default_rng(0)
    session = runtime.session(derived)
    classes = derived.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    count = SAMPLES * DIRECTIONS

    def draw(*shape: int) -> NDArray[np.float32]:
        return rng.standard_normal(shape, dtype=np.float32)

    x = np.repeat(draw(SAMPLES, *input_shape), DIRECTIONS, axis=0)
    weights, move = draw(count, classes), STEP * draw(count, *input_shape)

    def weighted(at: NDArray[np.float32]) -> NDArray[np.float64]:
        (logits,) = session.run(("logits",), {"x": at, "dlogits": weights})
        values: NDArray[np.float64] = (logits.astype(np.float64) * weights).sum(axis=1)
        return values

    (dx,) = session.run(("dx",), {"x": x, "dlogits": weights})
    derivatives = (dx.astype(np.float64) * move).reshape(count, -1).sum(axis=1)
    differences = (weighted(x + move) - weighted(x - move)) / 2
    if np.count_nonzero(derivatives) * 2 <= count:
        return math.inf
    size = np.sqrt(np.mean(derivatives**2))
    return float(np.median(np.abs(differences - derivatives)) / size)
