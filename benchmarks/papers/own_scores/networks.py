"""The classifiers: a small convolutional network, and ResNet-18, each with dropout and an embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.seeding import seeded

DROPOUT = 0.25


class SmallNet(nn.Module):
    """Convolutions of 16 and 32, 64 hidden units, dropout before every layer but the first.

    Args:
        channels: Of x [B, channels, side, side].
        side: Of an image.
        classes: C.
    """

    def __init__(self, channels: int, side: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, 16, 3, padding=1), nn.MaxPool2d(2), nn.ReLU())
        self.second = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Conv2d(16, 32, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()
        )
        self.third = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 64), nn.ReLU()
        )
        self.head = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B, C] and embedding [B, 64]."""
        embedding = self.third(self.second(self.first(x)))
        return self.head(embedding), embedding


class _Residual(nn.Module):
    def __init__(self, incoming: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(incoming, outgoing, 3, stride, 1, bias=False)
        self.norm_one = nn.BatchNorm2d(outgoing)
        self.two = nn.Conv2d(outgoing, outgoing, 3, 1, 1, bias=False)
        self.norm_two = nn.BatchNorm2d(outgoing)
        same = stride == 1 and incoming == outgoing
        self.skip: nn.Module = nn.Identity()
        if not same:
            self.skip = nn.Sequential(
                nn.Conv2d(incoming, outgoing, 1, stride, bias=False), nn.BatchNorm2d(outgoing)
            )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm_two(self.two(torch.relu(self.norm_one(self.one(x)))))
        made: Tensor = self.activation(hidden + self.skip(x))
        return made


class ResNet18(nn.Module):
    """ResNet-18 as it is used on 32x32 images (He et al. 2016), dropout before each of its four stages (VaB-AL 4.2)."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        sizes = (64, 64, 128, 256, 512)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Dropout(DROPOUT),
                    _Residual(sizes[i], sizes[i + 1], 1 if i == 0 else 2),
                    _Residual(sizes[i + 1], sizes[i + 1], 1),
                )
                for i in range(4)
            )
        )
        self.head = nn.Linear(512, classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits [B, C] and embedding [B, 512]."""
        embedding = self.stages(self.stem(x)).mean(dim=(2, 3))
        return self.head(embedding), embedding


LAYERS = {
    "small": ("first", "second", "third"),
    "resnet18": ("stages.0", "stages.1", "stages.2", "stages.3"),
}
"""Whose features VaB-AL's VAE sees: those of every stage."""


def build(name: str, input_shape: tuple[int, ...], classes: int, seed: int) -> nn.Module:
    """Return an untrained classifier x -> (logits, embedding); the seed fixes its weights."""
    with seeded(seed):
        if name == "small":
            return SmallNet(input_shape[0], input_shape[1], classes)
        return ResNet18(input_shape[0], classes)


def train(module: nn.Module, x: Tensor, y: Tensor, *, epochs: int, batch_size: int, seed: int) -> nn.Module:
    """Train with dropout on: Adam for the small network, the paper's SGD for ResNet-18; in eval mode afterwards."""
    order = torch.Generator().manual_seed(seed)
    paper = isinstance(module, ResNet18)
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(module.parameters(), 0.1, momentum=0.9, weight_decay=5e-4)
        if paper
        else torch.optim.Adam(module.parameters(), 1e-3)
    )
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [round(0.8 * epochs)] if paper else [epochs])
    module.train()
    with seeded(seed):  # the dropout masks
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(y), generator=order), batch_size):
                if len(rows) < 2:
                    continue  # a batch norm has no variance of one sample
                optimizer.zero_grad(set_to_none=True)
                F.cross_entropy(module(x[rows])[0], y[rows]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            schedule.step()
    return module.eval()
