"""Fully connected generator and critic for feature vectors (also for images, flattened).

They work on standardized values; `trainer.networks.build` folds the standardization into what is exported.
"""

from __future__ import annotations

import math

from torch import nn

from trainer.networks.convolutional import LEAK, Critic


def mlp_generator(latent_dim: int, sample_shape: tuple[int, ...], width: int) -> nn.Sequential:
    """Return z [B, Z] -> standardized x [B, *sample_shape], unbounded."""
    layers: list[nn.Module] = []
    incoming = latent_dim
    for _ in range(3):
        layers += [nn.Linear(incoming, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
        incoming = width
    layers.append(nn.Linear(incoming, math.prod(sample_shape)))
    if len(sample_shape) > 1:
        layers.append(nn.Unflatten(1, sample_shape))
    return nn.Sequential(*layers)


def mlp_critic(sample_shape: tuple[int, ...], width: int, class_count: int = 0) -> Critic:
    """Return standardized x [B, *sample_shape] -> score [B]."""
    layers: list[nn.Module] = [nn.Flatten()] if len(sample_shape) > 1 else []
    incoming = math.prod(sample_shape)
    for _ in range(3):
        layers += [nn.Linear(incoming, width), nn.LeakyReLU(LEAK)]
        incoming = width
    return Critic(nn.Sequential(*layers), width, class_count)
