"""Networks of CelebA's size with random weights: generator, classifier and encoder, as ONNX.

The generator is the 64 px residual one of Gulrajani et al. 2017 (appendix, "GoodGenerator"), which ASAL's Table 1 takes
for CelebA; the classifier is ASAL's for two classes in shape, the encoder an auto-encoder's first half down to 50.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import torch
from torch import Tensor, nn

import graphs
from trainer.seeding import seeded

LATENT_DIM = 128
SHAPE = (3, 64, 64)
FEATURE_DIM = 50
CLASSES = 2


@dataclass(frozen=True, kw_only=True)
class Models:
    """The graphs.

    Attributes:
        generator: z [B, 128] -> x [B, 3, 64, 64], with pullback.
        classifier: x -> logits [B, 2], with pullback.
        encoder: x -> features [B, 50].
    """

    generator: onnx.ModelProto
    classifier: onnx.ModelProto
    encoder: onnx.ModelProto


class UpBlock(nn.Module):
    """A residual block that doubles the side: BN, ReLU, up, 3 x 3, BN, ReLU, 3 x 3, beside up and 1 x 1."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(incoming),
            nn.ReLU(),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(incoming, outgoing, 3, padding=1, bias=False),
            nn.BatchNorm2d(outgoing),
            nn.ReLU(),
            nn.Conv2d(outgoing, outgoing, 3, padding=1),
        )
        self.skip = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(incoming, outgoing, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, outgoing, 2H, 2W] of [B, incoming, H, W]."""
        doubled: Tensor = self.body(x) + self.skip(x)
        return doubled


def make_models(width: int, *, seed: int = 0) -> Models:
    """Return the exported graphs.

    Args:
        width: Channels of the generator's last block; 64 in the paper.
        seed: Of the weights.
    """
    with seeded(seed):
        generator = _generator(width)
        classifier = _classifier(width)
        encoder = nn.Sequential(*_halvings(width), nn.Linear(8 * width * 16, FEATURE_DIM))
        z, x = torch.randn(7, LATENT_DIM), torch.rand(7, *SHAPE) * 2 - 1
    tolerance, batch_sizes = 1e-3, (1, 3)  # rounding grows with the depth
    return Models(
        generator=graphs.export_pullback(
            generator.eval(),
            z,
            kind=graphs.GraphKind.GENERATOR,
            tolerance=tolerance,
            batch_sizes=batch_sizes,
        ),
        classifier=graphs.export_pullback(classifier.eval(), x, tolerance=tolerance, batch_sizes=batch_sizes),
        encoder=graphs.export_forward(
            encoder.eval(), x, kind=graphs.GraphKind.ENCODER, tolerance=tolerance, batch_sizes=batch_sizes
        ),
    )


def _generator(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(LATENT_DIM, 4 * 4 * 8 * width),
        nn.Unflatten(1, (8 * width, 4, 4)),
        UpBlock(8 * width, 8 * width),
        UpBlock(8 * width, 4 * width),
        UpBlock(4 * width, 2 * width),
        UpBlock(2 * width, width),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, SHAPE[0], 3, padding=1),
        nn.Tanh(),
    )


def _classifier(width: int) -> nn.Sequential:
    return nn.Sequential(*_halvings(width), nn.Linear(8 * width * 16, CLASSES))


def _halvings(width: int) -> list[nn.Module]:
    """Return x -> [B, 8 * width * 16], four strided convolutions."""
    layers: list[nn.Module] = []
    incoming = SHAPE[0]
    for outgoing in (width, 2 * width, 4 * width, 8 * width):
        layers += [nn.Conv2d(incoming, outgoing, 5, stride=2, padding=2), nn.ReLU()]
        incoming = outgoing
    return [*layers, nn.Flatten()]
