"""Shared networks, heads and sessions of the graph tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphs import GraphKind, export_pullback
from graphs.contract import KEY_KIND
from graphs.surgery import batched, make_model, tensor_value

torch = pytest.importorskip("torch")
ort = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def entropy_head(classes: int | None = 10) -> onnx.ModelProto:
    """Entropy of softmax(logits) and its gradient, p (-H - log p)."""
    node = helper.make_node
    nodes = [
        node("LogSoftmax", ["logits"], ["lp"], axis=-1),
        node("Exp", ["lp"], ["p"]),
        node("Mul", ["p", "lp"], ["plp"]),
        node("ReduceSum", ["plp", "last"], ["negative"], keepdims=1),
        node("Neg", ["negative"], ["kept"]),
        node("Squeeze", ["kept", "last"], ["score"]),
        node("Sub", ["negative", "lp"], ["inner"]),
        node("Mul", ["p", "inner"], ["dlogits"]),
    ]
    return _head(nodes, ["B", classes or "C"])


def mean_margin_head(passes: int, classes: int) -> onnx.ModelProto:
    """A head for stochastic logits: the mean over passes of the squared logits' sum."""
    node = helper.make_node
    nodes = [
        node("Mul", ["logits", "logits"], ["square"]),
        node("ReduceSum", ["square", "ends"], ["total"], keepdims=0),
        node("Mul", ["total", "share"], ["score"]),
        node("Mul", ["logits", "twice"], ["dlogits"]),
    ]
    share = [
        helper.make_tensor("share", TensorProto.FLOAT, [], [1 / passes]),
        helper.make_tensor("twice", TensorProto.FLOAT, [], [2 / passes]),
        helper.make_tensor("ends", TensorProto.INT64, [2], [0, 2]),
    ]
    return _head(nodes, [passes, "B", classes], share)


def _head(
    nodes: list[onnx.NodeProto], dims: list[int | str], constants: list[onnx.TensorProto] | None = None
) -> onnx.ModelProto:
    last = helper.make_tensor("last", TensorProto.INT64, [1], [-1])
    graph = helper.make_graph(
        nodes,
        "head",
        [tensor_value("logits", dims)],
        [tensor_value("score", ["B"]), tensor_value("dlogits", dims)],
        constants if constants is not None else [last],
    )
    return make_model(graph, metadata={KEY_KIND: "acquisition"})


def linear_classifier(features: int = 4, classes: int = 3) -> onnx.ModelProto:
    """A classifier with pullback written by hand: logits = x W, dx = dlogits Wᵀ."""
    weight = np.random.default_rng(0).normal(size=(features, classes)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["logits"]),
            helper.make_node("MatMul", ["dlogits", "wt"], ["dx"]),
        ],
        "linear",
        [batched("x", [features]), batched("dlogits", [classes])],
        [batched("logits", [classes]), batched("dx", [features])],
        [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(weight.T.copy(), "wt")],
    )
    return make_model(graph)


def run(model: onnx.ModelProto, **feeds: np.ndarray) -> dict[str, np.ndarray]:
    """Run a graph once and return its outputs by name."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def relative_error(got: np.ndarray, want: np.ndarray) -> float:
    """Largest difference over the largest absolute value."""
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / np.abs(want).max())


def lenet() -> torch.nn.Module:
    """LeNet with an embedding: x [B, 1, 28, 28] -> logits [B, 10], embedding [B, 84]."""
    from torch import nn

    class LeNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 6, 5, padding=2),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(6, 16, 5),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(400, 84),
                nn.ReLU(),
            )
            self.head = nn.Linear(84, 10)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            embedding = self.body(x)
            return self.head(embedding), embedding

    torch.manual_seed(0)
    return LeNet()


def generator() -> torch.nn.Module:
    """A small DCGAN-like generator z [B, 16] -> x [B, 1, 28, 28] with trained-looking batch norms."""
    from torch import nn

    torch.manual_seed(1)
    module = nn.Sequential(
        nn.Linear(16, 32 * 16),
        nn.Unflatten(1, (32, 4, 4)),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 24, 5, stride=2, padding=2),
        nn.BatchNorm2d(24),
        nn.ReLU(),
        nn.ConvTranspose2d(24, 16, 5, stride=2, padding=2, output_padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 5, stride=2, padding=2, output_padding=1),
        nn.Tanh(),
    )
    return shake_statistics(module)


def shake_statistics(module: torch.nn.Module) -> torch.nn.Module:
    """Give batch norms statistics and scales as after training, where a mistake in them would show."""
    for part in module.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.3)
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias, 0, 0.2)
    return module


@pytest.fixture(scope="session")
def lenet_module() -> torch.nn.Module:
    return lenet()


@pytest.fixture(scope="session")
def generator_module() -> torch.nn.Module:
    return generator()


@pytest.fixture(scope="session")
def lenet_graph(lenet_module: torch.nn.Module) -> onnx.ModelProto:
    return export_pullback(lenet_module, torch.randn(4, 1, 28, 28), kind=GraphKind.CLASSIFIER)


@pytest.fixture(scope="session")
def generator_graph(generator_module: torch.nn.Module) -> onnx.ModelProto:
    return export_pullback(generator_module, torch.randn(4, 16), kind=GraphKind.GENERATOR)


Head = Callable[..., onnx.ModelProto]


@pytest.fixture(scope="session")
def make_entropy_head() -> Head:
    return entropy_head


@pytest.fixture(scope="session")
def make_stochastic_head() -> Head:
    return mean_margin_head


@pytest.fixture
def linear() -> onnx.ModelProto:
    return linear_classifier()


@pytest.fixture(scope="session")
def run_graph() -> Callable[..., dict[str, np.ndarray]]:
    return run


@pytest.fixture(scope="session")
def error_of() -> Callable[[np.ndarray, np.ndarray], float]:
    return relative_error
