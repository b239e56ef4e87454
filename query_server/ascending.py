"""How to climb in latent space and where a climb ended; a leaf, so that models can climb and selection can ask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from query_server.errors import invalid_argument

MAX_STEPS = 10_000
MAX_WEIGHT = 1000.0


@dataclass(frozen=True, kw_only=True)
class AscentOptions:
    """Gradient ascent in latent space (ASAL, equation 3; defaults of §5.2).

    Attributes:
        steps: Adam steps at most; without a gradient, scores to ask for a latent.
        step_size: Adam step size.
        early_stop: Stop once the mean score grew by less than this part of itself over ten steps; 0 takes every step.
        latent_prior: Weight of :math:`-|z|^2/2` in the objective, in units of the score.
        repulsion: Weight of a penalty on latents close to each other, in units of the score.
    """

    steps: int = 100
    step_size: float = 0.05
    early_stop: float = 0.0
    latent_prior: float = 0.0
    repulsion: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.steps <= MAX_STEPS:
            raise invalid_argument("steps", self.steps, f"1 to {MAX_STEPS}")
        if not 0 < self.step_size <= 10:
            raise invalid_argument("step_size", self.step_size, "above 0 and at most 10")
        if not 0 <= self.early_stop < 1:
            raise invalid_argument("early_stop", self.early_stop, "0 up to, not including, 1")
        for field, weight in (("latent_prior", self.latent_prior), ("repulsion", self.repulsion)):
            if not 0 <= weight <= MAX_WEIGHT:
                raise invalid_argument(field, weight, f"0 to {MAX_WEIGHT:g}")


@dataclass(frozen=True, kw_only=True)
class Ascended:
    """Where an ascent ended.

    Attributes:
        x: Samples float32 [S, *input_shape].
        latents: float32 [S, Z].
        scores: float32 [S].
        initial_scores: Before the first step float32 [S].
    """

    x: NDArray[np.float32]
    latents: NDArray[np.float32]
    scores: NDArray[np.float32]
    initial_scores: NDArray[np.float32]
