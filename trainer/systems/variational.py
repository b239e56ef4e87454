"""The plain VAE as a system, on the whole pool; vectors are standardized."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.config import TrainConfig
from trainer.data import TrainingData
from trainer.devices import choose_device
from trainer.networks.folding import frozen
from trainer.networks.variational import default_width, frozen_mean
from trainer.scales import to_network, to_pool
from trainer.supervision import Supervision
from trainer.vae import VariationalAutoencoder


class VaeSystem:
    """A VAE and the pool it is trained on.

    Args:
        config: resolved.
        data: the pool.
        supervision: how often each sample is drawn.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, supervision: Supervision) -> None:
        self._data = data
        self._supervision = supervision
        self._standardized = len(data.input_shape) == 1
        self._trained = VariationalAutoencoder(
            data.input_shape,
            latent_dim=config.latent_dim or 0,
            width=config.width or default_width(data.input_shape),
            learning_rate=config.learning_rate or 0.0,
            seed=config.seed,
            device=choose_device(config.device),
        )
        self.latent_dim = self._trained.latent_dim
        self.state, self.load_state = self._trained.state, self._trained.load_state

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Take one step on samples of the pool."""
        x = self._data.take(self._supervision.draw(self._data, (batch_size,), rng))
        u = torch.from_numpy(self._data.standardized(x) if self._standardized else x)
        return self._trained.update(u.to(self._trained.device), rng)

    def generator(self) -> nn.Module:
        """Return the decoder."""
        decoder = frozen(self._trained.generator)
        return nn.Sequential(decoder, to_pool(self._data)).eval() if self._standardized else decoder

    def posterior(self) -> nn.Module:
        """Return the encoder's mean."""
        mean = frozen_mean(self._trained.posterior)
        return nn.Sequential(to_network(self._data), *mean).eval() if self._standardized else mean

    def critic(self) -> None:
        """Return None: nothing criticizes."""

    def classifier(self) -> None:
        """Return None: nothing classifies."""
