"""Every covered layer: values and gradients equal torch's at several batch sizes, relative error <= 1e-4.

`export_pullback` itself compares with autograd and raises; that it does is tested in test_export.py. Layers are
exported inside small nets, so that each also gets a cotangent that went through another layer.
"""

from __future__ import annotations

import pytest

from graphs import GraphKind, check, export_pullback

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

SIZES = (1, 2, 5, 10)  # 10 is also the number of classes: a trace may not tie the two together

LAYERS = {
    "linear": (nn.Linear(8, 6), (8,)),
    "linear on sequences": (nn.Linear(8, 6, bias=False), (3, 8)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (4, 12)),
    "conv2d": (nn.Conv2d(3, 6, 5, padding=2), (3, 9, 8)),
    "conv2d strided, dilated, grouped": (
        nn.Conv2d(4, 6, 3, stride=2, padding=(1, 2), dilation=2, groups=2),
        (4, 12, 11),
    ),
    "conv2d depthwise": (nn.Conv2d(4, 8, 3, groups=4), (4, 6, 6)),
    "conv_transpose1d": (nn.ConvTranspose1d(4, 6, 5, stride=3, padding=2, output_padding=1), (4, 5)),
    "conv_transpose1d wide": (nn.ConvTranspose1d(4, 24, 4, stride=2, padding=1), (4, 5)),
    "conv_transpose2d": (nn.ConvTranspose2d(3, 6, 4, stride=2, padding=1), (3, 5, 6)),
    "conv_transpose2d wide": (nn.ConvTranspose2d(3, 24, 5, 2, padding=2, output_padding=1), (3, 5, 6)),
    "conv_transpose2d wide odd": (nn.ConvTranspose2d(3, 24, 5, stride=2, padding=2), (3, 4, 4)),
    "conv_transpose2d wide stride 3": (
        nn.ConvTranspose2d(3, 17, (4, 6), stride=3, padding=(0, 1), output_padding=(2, 1)),
        (3, 4, 3),
    ),
    "conv_transpose2d kernel below stride": (nn.ConvTranspose2d(3, 24, 2, stride=3), (3, 4, 3)),
    "conv_transpose2d stride 1": (nn.ConvTranspose2d(3, 24, 7), (3, 1, 2)),
    "conv_transpose2d grouped, dilated": (
        nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2, dilation=2),
        (4, 5, 6),
    ),
    "conv_transpose2d output_padding above stride": (
        nn.ConvTranspose2d(4, 6, 3, padding=1, output_padding=1, dilation=2),
        (4, 5, 6),
    ),
    "batch_norm1d": (nn.BatchNorm1d(8), (8,)),
    "batch_norm2d": (nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()), (2, 6, 6)),
    "batch_norm2d without scale": (nn.BatchNorm2d(2, affine=False), (2, 4, 4)),
    "layer_norm": (nn.LayerNorm(8), (5, 8)),
    "layer_norm over two axes": (nn.LayerNorm([3, 8], elementwise_affine=False), (3, 8)),
    "group_norm": (nn.GroupNorm(2, 4), (4, 5, 5)),
    "instance_norm": (nn.InstanceNorm2d(4, affine=True), (4, 5, 5)),
    "max_pool1d": (nn.MaxPool1d(3, 2), (2, 9)),
    "max_pool2d": (nn.MaxPool2d(2), (2, 7, 6)),
    "max_pool2d overlapping": (nn.MaxPool2d(3, 2, 1, ceil_mode=True), (2, 8, 8)),
    "max_pool2d dilated": (nn.MaxPool2d(2, 1, dilation=2), (2, 6, 6)),
    "avg_pool1d": (nn.AvgPool1d(2), (2, 9)),
    "avg_pool2d": (nn.AvgPool2d(2), (2, 8, 6)),
    "avg_pool2d padded": (nn.AvgPool2d(3, 2, 1), (2, 8, 9)),
    "avg_pool2d ceil": (nn.AvgPool2d(3, 2, 1, ceil_mode=True), (2, 8, 9)),
    "avg_pool2d uncounted padding": (nn.AvgPool2d(3, 2, 1, count_include_pad=False), (2, 8, 9)),
    "adaptive_avg_pool1d": (nn.AdaptiveAvgPool1d(3), (2, 7)),
    "adaptive_avg_pool2d to 1": (nn.AdaptiveAvgPool2d(1), (2, 7, 6)),
    "adaptive_avg_pool2d dividing": (nn.AdaptiveAvgPool2d((4, 3)), (2, 8, 6)),
    "adaptive_avg_pool2d odd": (nn.AdaptiveAvgPool2d((3, 4)), (2, 7, 9)),
    "upsample nearest": (nn.Upsample(scale_factor=2), (2, 5, 4)),
    "upsample nearest to a size": (nn.Upsample(size=(7, 9)), (2, 5, 4)),
    "upsample nearest 1d": (nn.Upsample(scale_factor=3), (2, 5)),
    "upsample bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), (2, 5, 4)),
    "upsample bilinear, corners aligned": (
        nn.Upsample(size=(7, 9), mode="bilinear", align_corners=True),
        (2, 5, 4),
    ),
    "pixel_shuffle": (nn.PixelShuffle(2), (8, 3, 3)),
    "zero_pad": (nn.ZeroPad2d((1, 0, 2, 1)), (2, 4, 4)),
    "relu": (nn.ReLU(), (9,)),
    "leaky_relu": (nn.LeakyReLU(0.2), (9,)),
    "prelu": (nn.PReLU(3), (3, 4)),
    "elu": (nn.ELU(0.7), (9,)),
    "selu": (nn.SELU(), (9,)),
    "gelu": (nn.GELU(), (9,)),
    "gelu tanh": (nn.GELU("tanh"), (9,)),
    "silu": (nn.SiLU(), (9,)),
    "mish": (nn.Mish(), (9,)),
    "softplus": (nn.Softplus(), (9,)),
    "hardswish": (nn.Hardswish(), (9,)),
    "hardtanh": (nn.Hardtanh(-0.5, 0.8), (9,)),
    "tanh": (nn.Tanh(), (9,)),
    "sigmoid": (nn.Sigmoid(), (9,)),
    "softmax": (nn.Softmax(1), (9,)),
    "softmax over channels": (nn.Softmax(1), (3, 4, 4)),
    "log_softmax": (nn.LogSoftmax(-1), (9,)),
    "dropout": (nn.Dropout(0.5), (9,)),
    "transformer encoder layer": (nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), (6, 16)),
    "transformer encoder layer, norm first": (
        nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True, activation="gelu"),
        (6, 16),
    ),
}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.inner(x))


class Concatenation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([self.left(x), x, self.right(x)], dim=1)
        first, second = joined.split([4, 3], dim=1)
        return torch.cat([first[:, 1:], second[:, [2, 0, 0]], joined[:, ::3]], dim=1)


class Arithmetic(nn.Module):
    """Broadcasting, reductions and elementwise functions as people write them in a forward method."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(4, 1) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = x / x.norm(dim=-1, keepdim=True)
        centered = (norm - norm.mean(dim=1, keepdim=True)) * self.scale
        spread = (centered**2).sum(-1).add(1e-3).sqrt()
        top = x.amax(dim=-1) - torch.logsumexp(x, dim=-1)
        return torch.stack([spread, top, x.clamp(-1, 1).sum(-1), torch.exp(-x.abs()).mean(-1)], dim=1)


LAYERS |= {
    "multi-head attention": (Attention(), (6, 16)),
    "residual": (Residual(), (6,)),
    "concatenation": (Concatenation(), (2, 4, 4)),
    "arithmetic": (Arithmetic(), (4, 5)),
}


class Net(nn.Module):
    """The layer between a smooth mixing of its input and a linear layer to ten logits."""

    def __init__(self, layer: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer = layer
        self.mix = nn.Parameter(torch.randn(shape))
        size = layer.eval()(torch.randn(2, *shape)).flatten(1).shape[1]
        self.out = nn.Linear(size, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layer(x * self.mix).flatten(1))


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_of_a_layer_equals_torchs(name: str) -> None:
    torch.manual_seed(0)
    layer, shape = LAYERS[name]
    for part in layer.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
    graph = export_pullback(Net(layer, shape), torch.randn(4, *shape), batch_sizes=SIZES)
    info = check(graph, GraphKind.CLASSIFIER)
    assert info.has_pullback and info.input_shape == shape and info.output_shape == (10,)
