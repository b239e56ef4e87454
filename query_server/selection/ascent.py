r"""Gradient ascent of the acquisition score in latent space.

ASAL (ICLR 2019 submission), equation 3: maximize :math:`H_\theta(G(z))` over z with Adam, all latents of a request in
one batch, from random starts z ~ N(0, I); §5.2 uses 100 steps. One step is one run of the spliced graph
z → x → logits → score → dlogits → dx → dz → z. A classifier without a gradient climbs by other means, behind the same
method of the port, for as many scores as steps.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.ports import Checkpoint, Classifier
from query_server.selection.values import SynthesisOptions, SyntheticSamples


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
        DowserError: NOT_FINITE, CANCELLED or DEADLINE_EXCEEDED.
    """
    starts = rng.standard_normal((latents, classifier.latent_dim), dtype=np.float32)
    x, scores, initial_scores = classifier.ascend(
        starts,
        steps=options.steps,
        step_size=options.step_size,
        before_step=lambda: checkpoint("synthesize"),
    )
    return SyntheticSamples(x=x, scores=scores, initial_scores=initial_scores)
