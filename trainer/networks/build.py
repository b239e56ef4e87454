"""The pair of networks of a GAN, and the affine map between the samples' scale and theirs.

Images are trained as they are, in [-1, 1]. The MLP pair is trained on standardized values, and what leaves the
trainer has the map folded in: a generator that ends in, and a critic that begins with, the pool's own scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainer.config import RESIDUAL
from trainer.errors import TrainerError
from trainer.networks.conditional import ClassLatents
from trainer.networks.convolutional import Critic, conv_critic, conv_generator
from trainer.networks.mlp import mlp_critic, mlp_generator
from trainer.networks.residual import residual_critic, residual_generator


class Destandardize(nn.Module):
    """u -> clamp(u * std + mean): from the network's scale to the pool's, within the pool's range of values.

    Attributes:
        mean, std: [*sample_shape].
        low, high: the pool's smallest and largest value.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, low: float, high: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.low = low
        self.high = high

    def forward(self, u: Tensor) -> Tensor:
        """Return x [B, ...] of u [B, ...]."""
        return torch.clamp(u * self.std + self.mean, self.low, self.high)


class Standardize(nn.Module):
    """x -> (x - mean) / std: from the pool's scale to the network's."""

    mean: Tensor
    inverse_std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("inverse_std", 1 / std)

    def forward(self, x: Tensor) -> Tensor:
        """Return u [B, ...] of x [B, ...]."""
        return (x - self.mean) * self.inverse_std


@dataclass(frozen=True, kw_only=True)
class Networks:
    """A generator and its critic, both on the network's scale u."""

    generator: nn.Sequential
    critic: Critic


def build_networks(
    kind: str, sample_shape: tuple[int, ...], latent_dim: int, width: int, seed: int, class_count: int = 0
) -> Networks:
    """Return freshly initialized networks; the global random state of torch is left as it was.

    Args:
        kind: "wgan-gp", "dcgan", "wgan-gp-resnet", "wgan-ct-resnet" or "mlp".
        sample_shape: of x without the batch, (C, H, W) or (F,).
        latent_dim: Z.
        width: channels or hidden units.
        seed: of the initial weights.
        class_count: C, below `latent_dim`; the last C latents are the class's. 0: no classes.

    Raises:
        TrainerError: if convolutions are asked for on vectors.
    """
    if kind != "mlp" and len(sample_shape) == 1:
        raise TrainerError(
            f"{kind} is for images, these samples are vectors of {sample_shape[0]}; choose mlp or gaussian"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "mlp":
            generator = mlp_generator(latent_dim, sample_shape, width)
            critic = mlp_critic(sample_shape, width, class_count)
        elif kind in RESIDUAL:
            generator = residual_generator(latent_dim, sample_shape, width)
            dropout = kind == "wgan-ct-resnet"
            critic = residual_critic(sample_shape, width, dropout=dropout, class_count=class_count)
        else:
            generator = conv_generator(latent_dim, sample_shape, width)
            critic = conv_critic(sample_shape, width, batch_norm=kind == "dcgan", class_count=class_count)
        if class_count:
            generator = nn.Sequential(ClassLatents(class_count), *generator)
        networks = Networks(generator=generator, critic=critic)
        if kind == "dcgan":
            networks.generator.apply(_initialize_dcgan)
            networks.critic.apply(_initialize_dcgan)
        return networks


def _initialize_dcgan(module: nn.Module) -> None:
    """Draw weights from N(0, 0.02) as Radford et al. 2016, section 4."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
