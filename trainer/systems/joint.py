"""Generators that are trained jointly with a classifier, as systems: "acgan", "vae-acgan" and "m2", on images."""

from __future__ import annotations

from typing import Generic, TypeVar

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

_Trained = TypeVar("_Trained", bound=JointTraining | M2Training)


class _SupervisedSystem(Generic[_Trained]):
    """What the systems of this file share: the pool with its labels, the networks, their classifier."""

    def __init__(self, trained: _Trained, data: TrainingData, labels: Labels) -> None:
        self._trained = trained
        self._data = data
        self._labels = labels
        self.latent_dim = trained.latent_dim
        self.state, self.load_state = trained.state, trained.load_state

    def classifier(self) -> nn.Module:
        """Return the classifier, its dropout layers with it."""
        return frozen(self._trained.classifier)

    def _draw_labeled(self, batch_size: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return u [B, ...] and classes [B] of labeled samples drawn uniformly, where the networks are."""
        drawn = torch.randint(len(self._labels.rows), (batch_size,), generator=rng).numpy()
        u = torch.from_numpy(self._data.take(self._labels.rows[drawn]))
        classes = torch.from_numpy(self._labels.classes[drawn])
        return u.to(self._trained.device), classes.to(self._trained.device)


class JointSystem(_SupervisedSystem[JointTraining]):
    """A classifier and the generator trained with it, on labeled images of the pool.

    Args:
        config: resolved.
        data: the pool.
        supervision: with labels.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, supervision: Supervision) -> None:
        labels = _labels_of(supervision)
        trained = JointTraining(
            data.input_shape,
            len(labels.names),
            augmentation=config.generator,
            latent_dim=config.latent_dim or 0,
            width=config.width or 0,
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        super().__init__(trained, data, labels)

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on samples drawn uniformly from the labeled ones."""
        u, classes = self._draw_labeled(batch_size, rng)
        return self._trained.update(u, classes, rng)

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


class M2System(_SupervisedSystem[M2Training]):
    """A semi-supervised VAE and its classifier, on all images of the pool.

    Args:
        config: resolved.
        data: the pool.
        supervision: with labels.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, supervision: Supervision) -> None:
        labels = _labels_of(supervision)
        trained = M2Training(
            data.input_shape,
            len(labels.names),
            latent_dim=config.latent_dim or 0,
            width=config.width or default_width(data.input_shape),
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        super().__init__(trained, data, labels)

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on as many labeled samples as samples of the whole pool, each drawn uniformly."""
        labeled, classes = self._draw_labeled(batch_size, rng)
        rows: NDArray[np.int64] = torch.randint(len(self._data), (batch_size,), generator=rng).numpy()
        return self._trained.update(
            labeled,
            classes,
            torch.from_numpy(self._data.take(rows)).to(self._trained.device),
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


def _labels_of(supervision: Supervision) -> Labels:
    assert supervision.labels is not None  # the configuration was validated
    return supervision.labels
