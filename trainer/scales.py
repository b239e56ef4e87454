"""The affine maps between the pool's scale x and the networks' u.

Images are trained as they are, in [-1, 1]. Vectors, and all samples of the MLP pair, are trained standardized, and what
leaves the trainer has the map folded in: a generator that ends in, and an encoder that begins with, the pool's scale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trainer.data import TrainingData


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


def to_network(data: TrainingData) -> Standardize:
    """Return x -> u of a pool whose networks see it standardized."""
    return Standardize(torch.from_numpy(data.mean), torch.from_numpy(data.std))


def to_pool(data: TrainingData) -> Destandardize:
    """Return u -> x of such a pool."""
    return Destandardize(
        torch.from_numpy(data.mean), torch.from_numpy(data.std), data.input_min, data.input_max
    )
