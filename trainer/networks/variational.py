"""Encoders and decoders of variational auto-encoders (Kingma and Welling 2014).

Gray images and vectors: one hidden layer each way (784-400-20-400-784 at 28 px, the example of PyTorch that BALD-VAE
section IV.A builds on). Color images: the strided convolutions of the GANs here, three each way at 32 px.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from trainer.networks.convolutional import conv_critic, conv_generator
from trainer.networks.folding import frozen

_WIDTH, _COLOR_WIDTH = 400, 32  # hidden units, channels


class Posterior(nn.Module):
    """q(z | x): x [B, ...] -> mean and logarithm of the variance, both [B, Z].

    Attributes:
        hidden: x -> [B, hidden_dim].
        mean: [B, hidden_dim] -> [B, Z].
        log_variance: likewise.
    """

    def __init__(self, hidden: nn.Sequential, hidden_dim: int, latent_dim: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.mean = nn.Linear(hidden_dim, latent_dim)
        self.log_variance = nn.Linear(hidden_dim, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of x [B, ...]; the latter is held in [-10, 10], where exp is tame."""
        hidden = self.hidden(x)
        return self.mean(hidden), self.log_variance(hidden).clamp(-10, 10)


def conv_posterior(latent_dim: int, image_shape: tuple[int, ...], width: int) -> Posterior:
    """Return a posterior of the critic's hidden layers, for images [B, C, H, W]."""
    critic = conv_critic(image_shape, width, batch_norm=False)
    return Posterior(critic.hidden, critic.head.in_features, latent_dim)


def vae_posterior(latent_dim: int, sample_shape: tuple[int, ...], width: int) -> Posterior:
    """Return the posterior of a plain VAE: convolutions for color images, else one hidden layer of `width`."""
    if _is_color(sample_shape):
        return conv_posterior(latent_dim, sample_shape, width)
    size = math.prod(sample_shape)
    flatten: list[nn.Module] = [nn.Flatten()] if len(sample_shape) > 1 else []
    return Posterior(nn.Sequential(*flatten, nn.Linear(size, width), nn.ReLU()), width, latent_dim)


def vae_decoder(latent_dim: int, sample_shape: tuple[int, ...], width: int) -> nn.Sequential:
    """Return z [B, Z] -> u [B, *sample_shape]: in (-1, 1) for images, unbounded for vectors."""
    if _is_color(sample_shape):
        return conv_generator(latent_dim, sample_shape, width)
    layers: list[nn.Module] = [nn.Linear(latent_dim, width), nn.ReLU()]
    layers.append(nn.Linear(width, math.prod(sample_shape)))
    if len(sample_shape) > 1:
        layers += [nn.Unflatten(1, sample_shape), nn.Tanh()]
    return nn.Sequential(*layers)


def default_width(sample_shape: tuple[int, ...]) -> int:
    """Return the width of a plain VAE where none is asked for: channels for color images, else hidden units."""
    return _COLOR_WIDTH if _is_color(sample_shape) else _WIDTH


def frozen_mean(posterior: Posterior) -> nn.Sequential:
    """Return x -> mean [B, Z] alone, a frozen copy."""
    copied = frozen(nn.Sequential(*posterior.hidden, posterior.mean))
    assert isinstance(copied, nn.Sequential)
    return copied


def _is_color(sample_shape: tuple[int, ...]) -> bool:
    return len(sample_shape) == 3 and sample_shape[0] == 3
