"""The pair of networks of a GAN, on the networks' scale u (`trainer.scales`)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from trainer.config import RESIDUAL
from trainer.networks.conditional import ClassLatents
from trainer.networks.convolutional import Critic, conv_critic, conv_generator
from trainer.networks.mlp import mlp_critic, mlp_generator
from trainer.networks.residual import residual_critic, residual_generator
from trainer.seeding import seeded


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
        sample_shape: of x without the batch, (C, H, W), of "mlp" also (F,).
        latent_dim: Z.
        width: channels or hidden units.
        seed: of the initial weights.
        class_count: C, below `latent_dim`; the last C latents are the class's. 0: no classes.
    """
    with seeded(seed):
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
