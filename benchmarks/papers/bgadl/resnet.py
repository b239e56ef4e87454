"""ResNet-18 for 28 and 32 px, as BGADL section 5 takes it (He et al. 2016a, and "pa" with pre-activation, 2016b).

Dropout in front of the last layer is ours: BALD by Monte Carlo dropout (equation 2) is zero without any.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

DROPOUT = 0.5
_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride of the first of two blocks


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, ReLU and batch norm behind them or, pre-activated, before."""

    def __init__(self, incoming: int, outgoing: int, stride: int, *, pre_activated: bool) -> None:
        super().__init__()
        self.pre_activated = pre_activated
        self.conv1 = nn.Conv2d(incoming, outgoing, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(outgoing, outgoing, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(incoming if pre_activated else outgoing)
        self.norm2 = nn.BatchNorm2d(outgoing)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or incoming != outgoing:
            self.shortcut = nn.Conv2d(incoming, outgoing, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return [B, outgoing, H / stride, W / stride]."""
        if self.pre_activated:
            active = F.relu(self.norm1(x))
            deep = self.conv2(F.relu(self.norm2(self.conv1(active))))
            whole: Tensor = deep + (x if isinstance(self.shortcut, nn.Identity) else self.shortcut(active))
            return whole
        deep = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return F.relu(deep + self.shortcut(x))


def resnet18(channels: int, classes: int, *, pre_activated: bool = False) -> nn.Sequential:
    """Return x [B, channels, H, W] -> logits [B, classes]."""
    layers: list[nn.Module] = [nn.Conv2d(channels, 64, 3, 1, 1, bias=False)]
    if not pre_activated:
        layers += [nn.BatchNorm2d(64), nn.ReLU()]
    incoming = 64
    for outgoing, stride in _STAGES:
        for step in (stride, 1):
            layers.append(_Block(incoming, outgoing, step, pre_activated=pre_activated))
            incoming = outgoing
    if pre_activated:
        layers += [nn.BatchNorm2d(incoming), nn.ReLU()]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(DROPOUT), nn.Linear(incoming, classes)
    )
