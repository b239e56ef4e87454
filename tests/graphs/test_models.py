"""Whole networks: values and gradients equal torch's at several batch sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from graphs import GraphKind, check, export_pullback, load_untrusted

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


class Block(nn.Module):
    """The basic block of ResNet-18 (He et al., 2016, figure 2)."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.short: nn.Module = nn.Identity()
        if stride > 1 or inside != outside:
            self.short = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


def resnet18(width: int = 8) -> nn.Module:
    stages: list[nn.Module] = []
    inside = width
    for stage in range(4):
        outside = width * 2**stage
        stages += [Block(inside, outside, 1 if stage == 0 else 2), Block(outside, outside, 1)]
        inside = outside
    stem = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    return nn.Sequential(*stem, *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inside, 10))


def all_cnn() -> nn.Module:
    """All-CNN-C (Springenberg et al., 2015), narrow."""

    def conv(inside: int, outside: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
        return [nn.Conv2d(inside, outside, kernel, stride, kernel // 2), nn.ReLU()]

    return nn.Sequential(
        nn.Dropout(0.2),
        *conv(3, 12), *conv(12, 12), *conv(12, 12, stride=2), nn.Dropout(),
        *conv(12, 24), *conv(24, 24), *conv(24, 24, stride=2), nn.Dropout(),
        *conv(24, 24), *conv(24, 24, kernel=1), *conv(24, 10, kernel=1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(20, 64), nn.ReLU(), nn.LayerNorm(64), nn.Linear(64, 32), nn.GELU(), nn.Linear(32, 5)
    )


class VisionTransformer(nn.Module):
    """Patches, a class token, positions, one encoder block."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.position = nn.Parameter(torch.randn(1, 5, 16))
        self.block = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2, enable_nested_tensor=False
        )
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patch(x).flatten(2).transpose(1, 2)  # [B, 4, 16]
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], dim=1) + self.position
        return self.head(self.block(tokens)[:, 0])


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet18": (resnet18, (3, 32, 32)),
    "all_cnn": (all_cnn, (3, 32, 32)),
    "mlp": (mlp, (20,)),
    "vision transformer": (VisionTransformer, (1, 8, 8)),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_a_classifier_equals_torchs(name: str) -> None:
    torch.manual_seed(0)
    build, shape = MODELS[name]
    model = build()
    model(torch.randn(8, *shape))  # one training step's worth of batch statistics
    graph = export_pullback(model, torch.randn(4, *shape), batch_sizes=(1, 2, 7))
    assert check(graph, GraphKind.CLASSIFIER).input_shape == shape
    assert model.training, "export leaves the mode as it was"
    assert check(load_untrusted(graph.SerializeToString()), GraphKind.CLASSIFIER).has_pullback


def test_lenet_gives_its_embedding_too(lenet_graph) -> None:
    info = check(lenet_graph, GraphKind.CLASSIFIER)
    assert info.has_embedding and info.has_pullback and info.output_shape == (10,)


def test_a_generator_has_the_gradient_by_its_latents(generator_graph) -> None:
    info = check(generator_graph, GraphKind.GENERATOR)
    assert (info.input_shape, info.output_shape, info.has_pullback) == ((16,), (1, 28, 28), True)
