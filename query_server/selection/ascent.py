r"""Gradient ascent of the acquisition score in latent space.

ASAL (ICLR 2019 submission), equation 3: maximize :math:`H_\theta(G(z))` over z with Adam, all latents of a request in
one batch, from random starts z ~ N(0, I); §5.2 uses 100 steps. One step is one run of the spliced graph
z → x → logits → score → dlogits → dx → dz.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.ports import Checkpoint, Classifier
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
    z = rng.standard_normal((latents, classifier.latent_dim), dtype=np.float32)
    mean = np.zeros_like(z)
    variance = np.zeros_like(z)
    initial_scores = np.empty(0, np.float32)  # options.steps >= 1, so the first step fills it
    for step in range(1, options.steps + 1):
        checkpoint("synthesize")
        scores, gradient = classifier.step(z)
        if step == 1:
            initial_scores = scores
        # Adam (Kingma and Ba 2015, algorithm 1), ascending.
        mean += (1 - _BETA1) * (gradient - mean)
        variance += (1 - _BETA2) * (np.square(gradient) - variance)
        scale = options.step_size * np.sqrt(1 - _BETA2**step) / (1 - _BETA1**step)
        z += (scale * mean / (np.sqrt(variance) + _EPSILON)).astype(np.float32, copy=False)
    x, scores = classifier.render(z)
    return SyntheticSamples(x=x, scores=scores, initial_scores=initial_scores)
