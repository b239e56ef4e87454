"""The plain GANs as a system: "wgan-gp", "dcgan", the residual ones and "mlp", on the whole pool."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.adversaries import Adversaries, calibrated
from trainer.config import TrainConfig
from trainer.data import TrainingData
from trainer.devices import choose_device, choose_precision
from trainer.networks import build_networks
from trainer.networks.folding import frozen
from trainer.scales import to_network, to_pool
from trainer.supervision import Supervision


class GanSystem:
    """A GAN and the pool it is trained on; "mlp" sees it standardized.

    Args:
        config: resolved.
        data: the pool.
        supervision: how often each sample is drawn, and the classes of a conditional GAN.

    Attributes:
        adversaries: the networks and their updates.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, supervision: Supervision) -> None:
        self._data = data
        self._supervision = supervision
        self._standardized = config.generator == "mlp"
        device = choose_device(config.device)
        networks = build_networks(
            config.generator,
            data.input_shape,
            config.latent_dim or 0,
            config.width or 0,
            seed=config.seed,
            class_count=len(supervision.class_names),
        )
        self.adversaries = Adversaries(
            networks,
            kind=config.generator,
            latent_dim=config.latent_dim or 0,
            learning_rate=config.learning_rate or 0.0,
            device=device,
            precision=torch.float32 if self._standardized else choose_precision(config.precision, device),
            class_count=len(supervision.class_names),
        )
        self.latent_dim = self.adversaries.latent_dim
        self.state, self.load_state = self.adversaries.state, self.adversaries.load_state

    def iterate(self, batch_size: int, rng: torch.Generator) -> dict[str, Tensor]:
        """Update the critic `critic_steps` times and the generator once; return the last losses of each."""
        rarity = self._supervision.rarity
        measured: dict[str, Tensor] = {}
        for rows in self._supervision.draw(self._data, (self.adversaries.critic_steps, batch_size), rng):
            x = self._data.take(rows)
            real = torch.from_numpy(self._data.standardized(x) if self._standardized else x)
            classes = None if rarity is None else torch.from_numpy(rarity.classes[rows])
            measured |= self.adversaries.update_critic(real.to(self.adversaries.device), rng, classes)
        return measured | self.adversaries.update_generator(batch_size, rng)

    def generator(self) -> nn.Module:
        """Return the averaged weights, calibrated."""
        generator = calibrated(self.adversaries.averaged, self.latent_dim)
        if not self._standardized:
            return generator
        return nn.Sequential(generator, to_pool(self._data)).eval()

    def posterior(self) -> None:
        """Return None: nothing infers latents."""

    def critic(self) -> nn.Module:
        """Return the critic's hidden layers."""
        hidden = frozen(self.adversaries.critic.hidden)
        return nn.Sequential(to_network(self._data), hidden).eval() if self._standardized else hidden

    def classifier(self) -> None:
        """Return None: nothing classifies."""
