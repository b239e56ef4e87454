"""Monte Carlo dropout with fixed masks, so that a stochastic classifier is a deterministic graph.

Gal and Ghahramani, "Dropout as a Bayesian Approximation" (ICML 2016), average T passes with random masks.
Here the T masks are drawn once and are the same for every sample and every call: the classifier becomes an
ensemble of T thinned networks, its score a smooth deterministic function of x, which gradient ascent needs.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class FixedMaskDropout(nn.Module):
    """Dropout by T fixed masks on a batch that holds the T passes one after the other: [T * B, ...]."""

    def __init__(
        self, p: float, passes: int, seed: int, *, channels: bool = False, name: str = "dropout"
    ) -> None:
        """Set the drop probability, the number of passes T and the seed.

        Args:
            p: Probability to drop an element.
            passes: Number of passes T.
            seed: Seed of the masks.
            channels: Drop whole channels, as nn.Dropout2d does.
            name: Of the layer it stands for, in error messages.
        """
        super().__init__()
        self.p = p
        self.passes = passes
        self.seed = seed
        self.channels = channels
        self.name = name
        self.register_buffer("mask", torch.zeros(0), persistent=True)
        self.mask: Tensor

    def materialize(self, shape: torch.Size) -> None:
        """Draw the masks for inputs [T * B, *shape]: the buffer `mask`, float32 [T, 1, *shape]."""
        size = [shape[0], *[1] * (len(shape) - 1)] if self.channels and len(shape) > 1 else list(shape)
        generator = torch.Generator().manual_seed(self.seed)
        keep = torch.rand([self.passes, 1, *size], generator=generator) >= self.p
        self.mask = (keep / (1 - self.p) if self.p < 1 else keep * 0.0).to(self.mask.device, torch.float32)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply pass t of [T * B, ...] by mask t.

        Raises:
            ValueError: If the masks were drawn for inputs of another shape.
        """
        if self.mask.numel() == 0:
            self.materialize(x.shape[1:])
        size, fixed = list(x.shape[1:]), list(self.mask.shape[2:])
        if len(size) != len(fixed) or any(m not in (1, n) for m, n in zip(fixed, size, strict=True)):
            raise ValueError(
                f"dropout layer {self.name!r} is used on inputs of shapes {fixed} and {size}, its masks are fixed for "
                "one; give each place a layer of its own"
            )
        passes = x.reshape(self.passes, -1, *x.shape[1:])  # [T, B, ...]
        return (passes * self.mask).reshape(x.shape)


class StochasticClassifier(nn.Module):
    """Run a network of `FixedMaskDropout` layers for all T passes at once: x [B, ...] -> [T, B, C]."""

    def __init__(self, network: nn.Module, passes: int) -> None:
        """Keep the network and the number of passes."""
        super().__init__()
        self.network = network
        self.passes = passes

    def forward(self, x: Tensor) -> Tensor:
        """Repeat the batch T times, run, and split the passes: logits [T, B, C]."""
        repeated = x.unsqueeze(0).expand(self.passes, *x.shape).reshape(-1, *x.shape[1:])  # [T * B, ...]
        result = self.network(repeated)
        logits = result[0] if isinstance(result, tuple) else result
        return torch.reshape(logits, (self.passes, -1, logits.shape[-1]))


def fix_dropout(module: nn.Module, passes: int, seed: int, example: Tensor) -> StochasticClassifier:
    """Replace the dropout layers of a copy of a classifier by fixed masks.

    Args:
        module: Classifier x [B, ...] -> logits [B, C], or (logits, embedding), whose embedding is left out. It
            has nn.Dropout layers (1d, 2d and 3d drop whole channels); not changed. Alpha dropout and functional
            dropout, which no mask alone stands for, stay off as in eval mode.
        passes: Number of passes T.
        seed: Seed of all masks.
        example: float32 [B, ...], one sample or more, to find the masks' shapes.

    Raises:
        ValueError: If the module has no dropout layer with p > 0, since all passes would be equal, or one is used on
            inputs of several shapes.
    """
    network = copy.deepcopy(module).eval()
    count = 0
    for name, part in list(network.named_modules(remove_duplicate=False)):
        if not isinstance(part, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d) or part.p == 0:
            continue
        count += 1
        masked = FixedMaskDropout(
            part.p, passes, seed * 1_000_003 + count, channels=not isinstance(part, nn.Dropout), name=name
        )
        parent = network.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], masked.to(example.device))
    if count == 0:
        raise ValueError(
            "the module has no dropout layer with p > 0, so its stochastic passes would all be equal; add "
            "nn.Dropout or export it as a deterministic classifier"
        )
    stochastic = StochasticClassifier(network, passes).eval()
    with torch.no_grad():
        stochastic(example[:1])  # draws the masks
    return stochastic
