"""Generators that are trained jointly with a classifier, as systems: "acgan", "vae-acgan" and "m2", on images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.data import TrainingData
from trainer.devices import choose_device
from trainer.labels import Labels
from trainer.m2 import M2Training, classification_weight
from trainer.networks.folding import frozen
from trainer.networks.variational import default_width, frozen_mean
from trainer.supervision import Supervision
from trainer.vae_acgan import JointTraining


class JointSystem:
    """A classifier and the generator trained with it, on labeled images of the pool.

    Args:
        config: resolved.
        data: the pool.
        supervision: with labels.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, supervision: Supervision) -> None:
        self._data = data
        self._labels = _labels_of(supervision)
        self._trained = JointTraining(
            data.input_shape,
            len(self._labels.names),
            augmentation=config.generator,
            latent_dim=config.latent_dim or 0,
            width=config.width or 0,
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        self.latent_dim = self._trained.latent_dim
        self.state, self.load_state = self._trained.state, self._trained.load_state

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on samples drawn uniformly from the labeled ones."""
        u, classes = _draw_labeled(self._data, self._labels, batch_size, rng)
        device = self._trained.device
        return self._trained.update(u.to(device), classes.to(device), rng)

    def generator(self) -> nn.Module:
        """Return g, its class the last C latents."""
        assert self._trained.generator is not None  # of a generator's system
        return frozen(self._trained.generator)

    def posterior(self) -> nn.Module | None:
        """Return the encoder's mean, of "vae-acgan" alone."""
        return None if self._trained.posterior is None else frozen_mean(self._trained.posterior)

    def critic(self) -> nn.Module:
        """Return the discriminator's hidden layers."""
        assert self._trained.discriminator is not None  # of a generator's system
        return frozen(self._trained.discriminator.hidden)

    def classifier(self) -> nn.Module:
        """Return c, its dropout layers with it."""
        return frozen(self._trained.classifier)


class M2System:
    """A semi-supervised VAE and its classifier, on all images of the pool.

    Args:
        config: resolved.
        data: the pool.
        supervision: with labels.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, supervision: Supervision) -> None:
        self._data = data
        self._labels = _labels_of(supervision)
        self._trained = M2Training(
            data.input_shape,
            len(self._labels.names),
            latent_dim=config.latent_dim or 0,
            width=config.width or default_width(data.input_shape),
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        self.latent_dim = self._trained.latent_dim
        self.state, self.load_state = self._trained.state, self._trained.load_state

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on as many labeled samples as samples of the whole pool, each drawn uniformly."""
        labeled, classes = _draw_labeled(self._data, self._labels, batch_size, rng)
        rows: NDArray[np.int64] = torch.randint(len(self._data), (batch_size,), generator=rng).numpy()
        device = self._trained.device
        return self._trained.update(
            labeled.to(device),
            classes.to(device),
            torch.from_numpy(self._data.take(rows)).to(device),
            rng,
            alpha=classification_weight(len(self._data), len(self._labels.rows)),
        )

    def generator(self) -> nn.Module:
        """Return the decoder, its class the last C latents."""
        return frozen(self._trained.generator)

    def posterior(self) -> nn.Module:
        """Return the encoder's mean."""
        return frozen_mean(self._trained.posterior)

    def critic(self) -> None:
        """Return None: nothing criticizes."""

    def classifier(self) -> nn.Module:
        """Return q(y | x), its dropout layers with it."""
        return frozen(self._trained.classifier)


def _labels_of(supervision: Supervision) -> Labels:
    assert supervision.labels is not None  # the configuration was validated
    return supervision.labels


def _draw_labeled(
    data: TrainingData, labels: Labels, batch_size: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return u [B, ...] and classes [B] of labeled samples drawn uniformly."""
    drawn = torch.randint(len(labels.rows), (batch_size,), generator=rng).numpy()
    return torch.from_numpy(data.take(labels.rows[drawn])), torch.from_numpy(labels.classes[drawn])
