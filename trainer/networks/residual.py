"""Residual generator and critic for images of 8 to 64 px (Gulrajani et al. 2017, appendix, "CIFAR-10 ResNet").

Generator: a linear layer to the smallest map, one upsampling block a level, batch norm, ReLU, a 3x3 convolution, tanh.
Critic: two blocks that halve the map (one below 9 px), two that keep it, ReLU, the mean over the map, a linear head. No
norm in the critic. All blocks have `width` channels, 128 in the paper.

With dropout (Wei et al. 2018, section 3 and their code) the outputs of the critic's last three blocks are dropped with
probability 0.2, 0.5 and 0.5.

Not from the paper: sizes other than 32 px, where an upsampled map is cropped to the next level's size and a mean
over 2x2 px takes what there is at an odd edge.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from trainer.networks.convolutional import Critic
from trainer.networks.sizes import halving_chain

HALVING_BLOCKS = 2
PLAIN_BLOCKS = 2
DROPOUT = (0.2, 0.5, 0.5)


class Upsample(nn.Module):
    """Repeat every pixel 2x2 and crop: x [B, C, h, w] -> [B, C, *size], size at most (2h, 2w)."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """Return the larger map."""
        return F.interpolate(x, scale_factor=2, mode="nearest")[:, :, : self.size[0], : self.size[1]]


class Halve(nn.Module):
    """The mean of every 2x2 pixels: x [B, C, h, w] -> [B, C, ceil(h / 2), ceil(w / 2)]."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the smaller map."""
        odd = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
        if any(odd):  # repeating the edge gives the mean over what there is
            x = F.pad(x, odd, mode="replicate")
        return F.avg_pool2d(x, 2)


class Mean(nn.Module):
    """The mean over the map: x [B, C, h, w] -> [B, C]."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the channels' means."""
        return x.mean(dim=(2, 3))


class Residual(nn.Module):
    """x -> shortcut(x) + body(x)."""

    def __init__(self, shortcut: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        total: Tensor = self.shortcut(x) + self.body(x)
        return total


def residual_generator(latent_dim: int, image_shape: tuple[int, ...], width: int) -> nn.Sequential:
    """Return z [B, Z] -> x [B, C, H, W] in (-1, 1)."""
    chain = halving_chain(*image_shape[1:])
    bottom = (width, *chain[-1])
    layers: list[nn.Module] = [nn.Linear(latent_dim, math.prod(bottom)), nn.Unflatten(1, bottom)]
    layers += [_growing_block(width, size) for size in reversed(chain[:-1])]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), _conv(width, image_shape[0]), nn.Tanh()]
    return nn.Sequential(*layers)


def residual_critic(
    image_shape: tuple[int, ...], width: int, *, dropout: bool, class_count: int = 0
) -> Critic:
    """Return x [B, C, H, W] -> score [B], with dropout between its blocks or without."""
    halvings = min(HALVING_BLOCKS, len(halving_chain(*image_shape[1:])) - 1)
    blocks: list[nn.Module] = [_first_block(image_shape[0], width)]
    blocks += [_critic_block(width, halve=True) for _ in range(halvings - 1)]
    blocks += [_critic_block(width, halve=False) for _ in range(PLAIN_BLOCKS)]
    layers: list[nn.Module] = []
    rates = dict(zip(range(len(blocks) - len(DROPOUT), len(blocks)), DROPOUT, strict=True)) if dropout else {}
    for position, block in enumerate(blocks):
        layers.append(block)
        if position in rates:
            layers.append(nn.Dropout(rates[position]))
    return Critic(nn.Sequential(*layers, nn.ReLU(), Mean()), width, class_count)


def _growing_block(width: int, size: tuple[int, int]) -> Residual:
    body = nn.Sequential(
        nn.BatchNorm2d(width),
        nn.ReLU(),
        Upsample(size),
        _conv(width, width, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        _conv(width, width),
    )
    return Residual(nn.Sequential(Upsample(size), nn.Conv2d(width, width, 1)), body)


def _first_block(channels: int, width: int) -> Residual:
    """Return the critic's first block: no activation in front of the image."""
    body = nn.Sequential(_conv(channels, width), nn.ReLU(), _conv(width, width), Halve())
    return Residual(nn.Sequential(Halve(), nn.Conv2d(channels, width, 1)), body)


def _critic_block(width: int, *, halve: bool) -> Residual:
    body = nn.Sequential(nn.ReLU(), _conv(width, width), nn.ReLU(), _conv(width, width))
    if not halve:
        return Residual(nn.Identity(), body)
    return Residual(nn.Sequential(nn.Conv2d(width, width, 1), Halve()), nn.Sequential(*body, Halve()))


def _conv(incoming: int, outgoing: int, *, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(incoming, outgoing, 3, padding=1, bias=bias)
