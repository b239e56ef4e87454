r"""Adam in latent space, one run of the step graph a step (ASAL, ICLR 2019 submission, equation 3).

The objective is the score, and on demand two terms that keep synthetic samples useful:

- a prior, :math:`-\lambda |z|^2 / 2`: the logarithm of N(0, I), under which the generator was trained; far out it makes
  samples that nothing real resembles;
- repulsion, :math:`-\rho \sum_{j \ne i} \exp(-|z_i - z_j|^2 / 2h)` with :math:`h = Z / 2`, a quarter of the expected
  squared distance of two draws from the prior: latents that meet on one summit lead to the same real samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from query_server.ascending import AscentOptions
from query_server.models.ascent_graph import corrections
from query_server.models.ascent_loop import WINDOW
from query_server.models.runtime import Session

Float32 = NDArray[np.float32]


def climb(
    session: Session, z: Float32, *, options: AscentOptions, before_step: Callable[[], None]
) -> list[Float32]:
    """Climb from latents z [S, Z].

    Args:
        session: Of the step graph with Adam (``ascent_graph.with_adam``).
        z: Starts; not changed.
        options: How to climb.
        before_step: Called before every step; what it raises ends the climb.

    Returns:
        x [S, ...], latents [S, Z], scores [S] (NaN where a gradient was not finite) and initial scores [S].
    """
    mean, variance = np.zeros_like(z), np.zeros_like(z)
    history: list[Float32] = []
    for step in range(1, options.steps + 1):
        before_step()
        inputs = _inputs(z, mean, variance, step, options)
        z, mean, variance, scores = session.run(("z_next", "mean_next", "variance_next", "score"), inputs)
        history.append(scores)
        if options.early_stop and _has_settled(history, options.early_stop):
            break
    x, scores = session.run(("x", "score"), _inputs(z, mean, variance, len(history), options))
    # A gradient that is not finite stays in the latent from its step on, but need not show in the score.
    return [x, z, np.where(np.isfinite(z).all(axis=1), scores, np.float32(np.nan)), history[0]]


def push(z: Float32, options: AscentOptions) -> Float32:
    """Return the gradient of the prior and the repulsion at latents z, [S, Z]."""
    moved = -np.float32(options.latent_prior) * z
    if options.repulsion:
        width = z.shape[1] / 2
        norms = np.square(z).sum(1)
        distances = np.maximum(norms[:, None] + norms - 2 * (z @ z.T), 0)  # [S, S]
        weights = np.exp(-distances / (2 * width)) * (options.repulsion / width)
        moved += (weights.sum(1)[:, None] * z - weights @ z).astype(np.float32)
    return moved


def _inputs(
    z: Float32, mean: Float32, variance: Float32, step: int, options: AscentOptions
) -> dict[str, Float32]:
    rate, epsilon = corrections(step, options.step_size)
    return {
        "z": z,
        "push": push(z, options),
        "mean": mean,
        "variance": variance,
        "rate": rate,
        "epsilon": epsilon,
    }


def _has_settled(history: list[Float32], least_growth: float) -> bool:
    if len(history) <= WINDOW:
        return False
    before, now = float(history[-1 - WINDOW].mean()), float(history[-1].mean())
    return now - before < least_growth * abs(now)
