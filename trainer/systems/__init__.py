"""Generators in training and what comes of them for a bundle; between their networks and `trainer.pipeline`.

What a system finishes works on the pool's scale x, in eval mode on the CPU.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from trainer.config import FOR_IMAGES, TrainConfig
from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.supervision import Supervision
from trainer.systems.gan import GanSystem
from trainer.systems.joint import JointSystem, M2System
from trainer.systems.variational import VaeSystem


class System(Protocol):
    """A generator in training, and what else came of it."""

    latent_dim: int

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step; return the losses as scalars."""

    def generator(self) -> nn.Module:
        """Return z [B, Z] -> x."""

    def posterior(self) -> nn.Module | None:
        """Return x -> mean of the latents [B, Z - C]; None where nothing infers them."""

    def critic(self) -> nn.Module | None:
        """Return x -> the critic's last hidden layer; None where there is none."""

    def classifier(self) -> nn.Module | None:
        """Return the classifier that was trained along, x -> logits; None where there is none."""

    def state(self) -> dict[str, Any]:
        """Return everything a checkpoint needs."""

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""


def build_system(config: TrainConfig, data: TrainingData, supervision: Supervision) -> System | None:
    """Return the system of a resolved configuration at its first iteration; None of a mixture, which is fitted.

    Raises:
        TrainerError: if the generator does not fit the samples, or the device is not there.
    """
    if config.generator in FOR_IMAGES and len(data.input_shape) == 1:
        raise TrainerError(
            f"{config.generator} is for images, these samples are vectors of {data.input_shape[0]}; "
            "choose --generator mlp, vae or gaussian"
        )
    if config.generator == "gaussian":
        return None
    if config.generator == "vae":
        return VaeSystem(config, data, supervision)
    if config.generator == "m2":
        return M2System(config, data, supervision)
    if config.generator in ("acgan", "vae-acgan"):
        return JointSystem(config, data, supervision)
    return GanSystem(config, data, supervision)
