r"""Gradient ascent of the acquisition score in latent space.

ASAL (ICLR 2019 submission), equation 3: maximize :math:`H_\theta(G(z))` over z with Adam, all latents of a request in
one batch, from random starts z ~ N(0, I); §5.2 uses 100 steps. One step is one run of the spliced graph
z → x → logits → score → dlogits → dx → dz.
"""

from __future__ import annotations

import math

import numpy as np

from query_server.selection.ports import Checkpoint, Classifier, Float32
from query_server.selection.values import SynthesisOptions, SyntheticSamples

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


def synthesize(
    classifier: Classifier,
    *,
    latents: int,
    options: SynthesisOptions,
    rng: np.random.Generator,
    checkpoint: Checkpoint,
) -> SyntheticSamples:
    """Make informative synthetic samples.

    Args:
        classifier: Gives scores and gradients.
        latents: How many, S.
        options: Steps and step size.
        rng: Draws the starts.
        checkpoint: Called before every step.

    Raises:
        DowserError: GRADIENT_REQUIRED, NOT_FINITE, CANCELLED or DEADLINE_EXCEEDED.
    """
    starts = rng.standard_normal((latents, classifier.latent_dim), dtype=np.float32)

    def climb(part: Float32) -> SyntheticSamples:
        return _climb(classifier, part, options, checkpoint)

    # Latents do not know of each other: each thread climbs with its own, and none waits for another's step.
    parts = classifier.spread(climb, starts)
    return SyntheticSamples(
        x=np.concatenate([part.x for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        initial_scores=np.concatenate([part.initial_scores for part in parts]),
    )


def _climb(
    classifier: Classifier, starts: Float32, options: SynthesisOptions, checkpoint: Checkpoint
) -> SyntheticSamples:
    """Adam (Kingma and Ba 2015, algorithm 1), ascending, in place: a step must cost little beside its gradient."""
    z = starts.copy()
    mean, variance, scratch = np.zeros_like(z), np.zeros_like(z), np.empty_like(z)
    initial_scores = np.empty(0, np.float32)  # options.steps >= 1, so the first step fills it
    for step in range(1, options.steps + 1):
        checkpoint("synthesize")
        scores, gradient = classifier.step(z)
        if step == 1:
            initial_scores = scores
        np.multiply(gradient, 1 - _BETA1, out=scratch)
        mean *= _BETA1
        mean += scratch
        np.square(gradient, out=scratch)
        scratch *= 1 - _BETA2
        variance *= _BETA2
        variance += scratch
        np.sqrt(variance, out=scratch)
        scratch += _EPSILON * math.sqrt(1 - _BETA2**step)
        np.divide(mean, scratch, out=scratch)
        scratch *= options.step_size * math.sqrt(1 - _BETA2**step) / (1 - _BETA1**step)
        z += scratch
    x, scores = classifier.render(z)
    return SyntheticSamples(x=x, scores=scores, initial_scores=initial_scores)
