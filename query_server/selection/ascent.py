r"""Gradient ascent of the acquisition score in latent space.

ASAL (ICLR 2019 submission), equation 3: maximize :math:`H_\theta(G(z))` over z with Adam, all latents of a request in
one batch, from random starts z ~ N(0, I); §5.2 uses 100 steps. One step is one run of the spliced graph
z → x → logits → score → dlogits → dx → dz → z. A classifier without a gradient climbs by other means, behind the same
method of the port, for as many scores as steps.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.ports import Checkpoint, Classifier, Float32
from query_server.selection.values import SynthesisOptions, SyntheticSamples
from query_server.timing import StageClock


def synthesize(
    classifier: Classifier,
    *,
    latents: int,
    options: SynthesisOptions,
    rng: np.random.Generator,
    clock: StageClock,
    checkpoint: Checkpoint,
    start_from: Float32 | None = None,
) -> SyntheticSamples:
    """Make informative synthetic samples.

    Args:
        classifier: Gives scores and gradients.
        latents: How many, S.
        options: How to climb.
        rng: Draws the starts.
        clock: Times the stages "synthesize" and "encode".
        checkpoint: Called before every step.
        start_from: Where an earlier ascent ended float32 [S', Z], the best first; used as far as
            ``options.warm_start`` says.

    Raises:
        DowserError: NOT_FINITE, CANCELLED or DEADLINE_EXCEEDED.
    """
    starts = rng.standard_normal((latents, classifier.latent_dim), dtype=np.float32)
    if start_from is not None and start_from.shape[1:] == starts.shape[1:]:
        warm = min(round(options.warm_start * latents), len(start_from))
        # Evenly among the others: each part of the batch stops by itself, and none should have all the cold ones.
        starts[np.arange(warm) * latents // max(warm, 1)] = start_from[:warm]
    with clock.stage("prepare"):
        classifier.prepare_ascent()
    with clock.stage("synthesize"):
        ended = classifier.ascend(starts, options=options, before_step=lambda: checkpoint("synthesize"))
    with clock.stage("encode"):
        features = classifier.encode(ended.x)
    return SyntheticSamples(
        x=ended.x,
        latents=ended.latents,
        scores=ended.scores,
        initial_scores=ended.initial_scores,
        features=features,
    )
