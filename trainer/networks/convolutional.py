"""Convolutional generator and critic for images of 8 to 64 px (ASAL Table 1; Gulrajani et al. 2017, appendix).

At 64 px and width 64 the generator is that of Table 1; the critic, with 128, 256, 512, 512 channels there, mirrors the
generator here. DCGAN (Radford et al. 2016) is the same pair with batch norm in all but the discriminator's first layer.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from trainer.networks.sizes import KERNEL, channels_per_level, halving_chain, output_padding

LEAK = 0.2


def conv_generator(latent_dim: int, image_shape: tuple[int, ...], width: int) -> nn.Sequential:
    """Return z [B, Z] -> x [B, C, H, W] in (-1, 1)."""
    chain = halving_chain(*image_shape[1:])
    channels = channels_per_level(len(chain) - 1, width)
    bottom = (channels[-1], *chain[-1])
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, math.prod(bottom), bias=False),
        nn.BatchNorm1d(math.prod(bottom)),
        nn.ReLU(),
        nn.Unflatten(1, bottom),
    ]
    outgoing = [image_shape[0], *channels]
    for level in range(len(chain) - 1, 0, -1):
        last = level == 1
        padding = output_padding(chain[level], chain[level - 1])
        layers.append(
            nn.ConvTranspose2d(
                outgoing[level],
                outgoing[level - 1],
                KERNEL,
                stride=2,
                padding=2,
                output_padding=padding,
                bias=last,
            )
        )
        layers += [nn.Tanh()] if last else [nn.BatchNorm2d(outgoing[level - 1]), nn.ReLU()]
    return nn.Sequential(*layers)


class Critic(nn.Module):
    """Hidden layers and a linear head: x -> score [B].

    Attributes:
        hidden: x -> [B, hidden_dim], the features of ASAL-Discriminator.
        head: [B, hidden_dim] -> [B, 1].
        embedding: shares of the classes [B, C] -> [B, hidden_dim]; None where C is 0.
    """

    def __init__(self, hidden: nn.Sequential, hidden_dim: int, class_count: int = 0) -> None:
        super().__init__()
        self.hidden = hidden
        self.head = nn.Linear(hidden_dim, 1)
        self.embedding = nn.Linear(class_count, hidden_dim, bias=False) if class_count else None

    def forward(self, x: Tensor, shares: Tensor | None = None) -> Tensor:
        """Return the score [B] of x [B, ...], of the classes `shares` [B, C]: unbounded, higher for what looks real."""
        return self.score(self.hidden(x), shares)

    def score(self, hidden: Tensor, shares: Tensor | None = None) -> Tensor:
        """Return the score [B] of what `hidden` gave [B, hidden_dim]."""
        score: Tensor = self.head(hidden).squeeze(1)  # [B, 1] -> [B]
        if self.embedding is None or shares is None:
            return score
        projected: Tensor = (self.embedding(shares) * hidden).sum(dim=1)
        return score + projected


def conv_critic(
    image_shape: tuple[int, ...], width: int, *, batch_norm: bool, class_count: int = 0
) -> Critic:
    """Return the critic (no batch norm: the gradient penalty is per sample) or DCGAN's discriminator."""
    chain = halving_chain(*image_shape[1:])
    channels = channels_per_level(len(chain) - 1, width)
    layers: list[nn.Module] = []
    incoming = image_shape[0]
    for level, outgoing in enumerate(channels):
        normed = batch_norm and level > 0
        layers.append(nn.Conv2d(incoming, outgoing, KERNEL, stride=2, padding=2, bias=not normed))
        if normed:
            layers.append(nn.BatchNorm2d(outgoing))
        layers.append(nn.LeakyReLU(LEAK))
        incoming = outgoing
    layers.append(nn.Flatten())
    return Critic(nn.Sequential(*layers), channels[-1] * math.prod(chain[-1]), class_count)
