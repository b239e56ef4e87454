"""Auto-encoders whose codes serve as matching features (ASAL appendix B; Table 2 at 64 px).

Gray images: 3x3 convolutions of stride 2, each with an activation, down to 12 channels (192 codes at 4x4 px, as for
MNIST with ten classes). Color images: convolution, batch norm, activation, 2x2 max pooling, down to 16 channels (256
codes, as for CIFAR-10). Three layers at 28 and 32 px, one more at 64, fewer on smaller images. Vectors: one hidden
layer.

Not from the paper, which leaves them open for MNIST and CIFAR-10: 3x3 kernels, the hidden widths (doubling away from
the code, those of Table 2), LeakyReLU, no batch norm before the decoder's tanh. At 64 px Table 2 has 5x5 convolutions
of stride 2 in place of convolution and pooling.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from trainer.networks.convolutional import LEAK
from trainer.networks.sizes import halving_chain, output_padding
from trainer.seeding import seeded

_GRAY_CHANNELS = (96, 48, 24, 12)
_COLOR_CHANNELS = (128, 64, 32, 16)
_VECTOR_HIDDEN = 256
_VECTOR_CODES = 128


class Autoencoder(nn.Module):
    """An encoder x [B, ...] -> codes [B, E] and a decoder back; for images x is in [-1, 1].

    Attributes:
        encoder: ends flat.
        decoder: codes [B, E] -> reconstruction [B, ...].
    """

    def __init__(self, encoder: nn.Sequential, decoder: nn.Sequential) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor:
        """Return the reconstruction [B, ...] of x [B, ...]."""
        reconstruction: Tensor = self.decoder(self.encoder(x))
        return reconstruction


def build_autoencoder(sample_shape: tuple[int, ...], seed: int) -> Autoencoder:
    """Return a freshly initialized auto-encoder for (1, H, W), (3, H, W) or standardized (F,)."""
    with seeded(seed):
        if len(sample_shape) == 1:
            return _vector_autoencoder(sample_shape[0])
        return _image_autoencoder(sample_shape)


def _image_autoencoder(image_shape: tuple[int, ...]) -> Autoencoder:
    color = image_shape[0] == 3
    chain = halving_chain(*image_shape[1:])
    levels = len(chain) - 1
    channels = [image_shape[0], *(_COLOR_CHANNELS if color else _GRAY_CHANNELS)[-levels:]]
    encoder: list[nn.Module] = []
    decoder: list[nn.Module] = [nn.Unflatten(1, (channels[-1], *chain[-1]))]
    if color:
        decoder += [_conv(channels[-1], channels[-1]), nn.BatchNorm2d(channels[-1]), nn.LeakyReLU(LEAK)]
    for level in range(1, levels + 1):
        incoming, outgoing = channels[level - 1], channels[level]
        if color:
            odd = (chain[level - 1][0] % 2, chain[level - 1][1] % 2)  # an odd side is padded: ceil(n / 2)
            encoder += [_conv(incoming, outgoing), nn.BatchNorm2d(outgoing), nn.LeakyReLU(LEAK)]
            encoder.append(nn.MaxPool2d(2, stride=2, padding=odd))
        else:
            encoder += [nn.Conv2d(incoming, outgoing, 3, stride=2, padding=1), nn.LeakyReLU(LEAK)]
    for level in range(levels, 0, -1):
        incoming, outgoing = channels[level], channels[level - 1]
        extra = output_padding(chain[level], chain[level - 1])
        decoder.append(nn.ConvTranspose2d(incoming, outgoing, 3, stride=2, padding=1, output_padding=extra))
        if level == 1:
            decoder.append(nn.Tanh())
        else:
            decoder += [nn.BatchNorm2d(outgoing), nn.LeakyReLU(LEAK)] if color else [nn.LeakyReLU(LEAK)]
    encoder.append(nn.Flatten())
    return Autoencoder(nn.Sequential(*encoder), nn.Sequential(*decoder))


def _conv(incoming: int, outgoing: int) -> nn.Conv2d:
    return nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False)


def _vector_autoencoder(size: int) -> Autoencoder:
    codes = min(_VECTOR_CODES, max(2, math.ceil(size / 2)))
    encoder = nn.Sequential(
        nn.Linear(size, _VECTOR_HIDDEN), nn.LeakyReLU(LEAK), nn.Linear(_VECTOR_HIDDEN, codes)
    )
    decoder = nn.Sequential(
        nn.Linear(codes, _VECTOR_HIDDEN), nn.LeakyReLU(LEAK), nn.Linear(_VECTOR_HIDDEN, size)
    )
    return Autoencoder(encoder, decoder)
