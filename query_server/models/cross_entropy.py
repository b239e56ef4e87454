r"""Climbing the score in latent space without a gradient: the cross-entropy method, once a latent.

De Boer, Kroese, Mannor and Rubinstein 2005, *A Tutorial on the Cross-Entropy Method*, section 3: draw a population from
a Gaussian, fit the Gaussian to the best of it, the elites, with smoothed updating, and repeat.
Deviations: every latent keeps a Gaussian of its own, so that a batch stays as varied as its starts; it begins at the
best of a few draws from the generator's prior N(0, I); its mean is the best latent seen, and its deviation one number,
fitted to the elites' distance and halved where a generation brought nothing, because elites far fewer than Z say little
of a mean and nothing of Z deviations. So it is close to an evolution strategy. On scikit-learn's digits (100 scores a
latent, maximum entropy in nats) it led from 0.84 to 2.02 with a logistic regression and from 1.57 to 2.20 with a random
forest, the best setting of the method to the letter to 1.99 and 2.20, further from the prior.

**Cost.** A latent may ask the classifier for ``steps`` scores, one a step of the gradient ascent it stands in for:
first up to ``DRAWS`` draws from the prior, its start among them, then ``(steps - draws) // POPULATION`` generations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

DRAWS = 16
"""Most draws from the prior a latent starts from."""

POPULATION = 6
"""Latents scored in each generation."""

ELITES = 2
"""Best of a generation, to which the deviation is fitted."""

SMOOTHING = 0.5
"""Weight of the new deviation beside the old one."""

FIRST_DEVIATION = 0.5
"""Standard deviation of the first generation, in units of the prior's."""

LEAST_DEVIATION = 0.02
"""Below it, a generation would repeat what is known."""


def plan(steps: int) -> tuple[int, int]:
    """Return the draws from the prior and the generations that ``steps`` scores a latent pay for."""
    draws = min(DRAWS, steps)
    return draws, (steps - draws) // POPULATION


def climb(
    z: Float32, score: Callable[[Float32], Float32], *, steps: int, before_generation: Callable[[], None]
) -> tuple[Float32, Float32]:
    """Climb from latents z, at most ``steps`` scores each.

    Args:
        z: Starts float32 [S, Z], draws from the prior; not changed. They seed all further draws, so that one start
            always leads to one answer.
        score: Scores latents float32 [n, Z] -> [n]; called once a generation.
        steps: Scores a latent, at least 1.
        before_generation: Called before every call of ``score``; what it raises ends the climb.

    Returns:
        The best latents [S, Z], and the scores of the starts [S]. No latent ends below its start.
    """
    count, latent_dim = z.shape
    rng = np.random.default_rng(np.ascontiguousarray(z, np.float32).view(np.uint32).ravel())
    draws, generations = plan(steps)

    def scored(points: Float32) -> Float32:
        before_generation()
        flat = score(points.reshape(-1, latent_dim))  # [P, S, Z] -> [P * S, Z]
        return flat.reshape(points.shape[:2])  # [P * S] -> [P, S]

    others = rng.standard_normal((draws - 1, count, latent_dim), dtype=np.float32)
    points = np.concatenate([z[None], others])  # [draws, S, Z]
    scores = scored(points)
    initial_scores = scores[0]
    best, best_scores = _best(points, scores)
    deviation = np.full(count, FIRST_DEVIATION, np.float32)
    for _ in range(generations):
        noise = rng.standard_normal((POPULATION, count, latent_dim), dtype=np.float32)
        points = best + deviation[:, None] * noise
        scores = scored(points)
        elite = np.argsort(-scores, axis=0, kind="stable")[:ELITES]  # [ELITES, S]
        spread = np.sqrt(np.mean((points - best) ** 2, axis=2))  # [P, S]
        fitted = np.take_along_axis(spread, elite, axis=0).mean(axis=0)
        top, top_scores = _best(points, scores)
        better = top_scores > best_scores
        best = np.where(better[:, None], top, best)
        best_scores = np.where(better, top_scores, best_scores)
        # Where nothing improved, the step was too long; a fit to the elites of a sphere alone would never shorten it.
        fitted = np.where(better, fitted, fitted / 2)
        deviation = np.maximum((1 - SMOOTHING) * deviation + SMOOTHING * fitted, LEAST_DEVIATION)
    return best, initial_scores


def _best(points: Float32, scores: Float32) -> tuple[Float32, Float32]:
    """Return the best of each column: points [P, S, Z], scores [P, S] -> [S, Z], [S]."""
    first = scores.argmax(axis=0)
    columns = np.arange(scores.shape[1])
    return points[first, columns], scores[first, columns]
