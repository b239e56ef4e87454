"""The spliced step graph equals torch end to end; mismatched parts are refused with both shapes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import version_converter

from graphs import (
    OPSET,
    GraphError,
    GraphErrorCode,
    GraphKind,
    export_forward,
    export_pullback,
    fix_dropout,
    forward,
    forward_only,
    generator_forward,
    splice,
)

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


def entropy(logits: torch.Tensor) -> torch.Tensor:
    return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)


@pytest.fixture(scope="module")
def step(generator_graph, lenet_graph, make_entropy_head) -> onnx.ModelProto:
    return splice(generator_graph, lenet_graph, make_entropy_head())


@pytest.mark.parametrize("batch", [1, 10, 33])
def test_one_step_equals_torch(step, generator_module, lenet_module, run_graph, error_of, batch: int) -> None:
    z = torch.randn(batch, 16, generator=torch.Generator().manual_seed(batch), requires_grad=True)
    x = generator_module.eval()(z)
    logits, _ = lenet_module.eval()(x)
    score = entropy(logits)
    (dz,) = torch.autograd.grad(score.sum(), z)
    got = run_graph(step, z=z.detach().numpy())
    assert set(got) == {"score", "dz", "x", "logits"}
    for name, want in (("score", score), ("dz", dz), ("x", x), ("logits", logits)):
        assert error_of(got[name], want.detach().numpy()) < 1e-4, name


def test_the_step_has_one_forward_and_one_backward_pass(
    generator_graph, lenet_graph, make_entropy_head
) -> None:
    def products(model: onnx.ModelProto) -> int:
        return sum(node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") for node in model.graph.node)

    step = splice(generator_graph, lenet_graph, make_entropy_head(), for_cpu=False)
    assert [value.name for value in step.graph.input] == ["z"]
    assert products(step) == products(generator_graph) + products(lenet_graph)


def test_scoring_real_samples_needs_no_backward_node(
    lenet_graph, lenet_module, make_entropy_head, run_graph
) -> None:
    scoring = forward(lenet_graph, make_entropy_head())
    assert not any(
        node.op_type in ("ConvTranspose", "ScatterElements", "Sign") for node in scoring.graph.node
    )
    assert all(len(node.output) == 1 for node in scoring.graph.node), "MaxPool gives no indices any more"
    assert [value.name for value in scoring.graph.input] == ["x"]
    x = torch.randn(6, 1, 28, 28)
    got = run_graph(scoring, x=x.numpy())
    assert set(got) == {"logits", "score"}
    want = entropy(lenet_module.eval()(x)[0]).detach().numpy()
    np.testing.assert_allclose(got["score"], want, rtol=1e-4, atol=1e-5)


def test_scoring_can_give_the_embedding(lenet_graph, lenet_module, make_entropy_head, run_graph) -> None:
    x = torch.randn(2, 1, 28, 28)
    got = run_graph(forward(lenet_graph, make_entropy_head(), embedding=True), x=x.numpy())
    np.testing.assert_allclose(
        got["embedding"], lenet_module.eval()(x)[1].detach().numpy(), rtol=1e-4, atol=1e-5
    )


def test_further_heads_score_in_the_same_pass(lenet_graph, make_entropy_head, run_graph) -> None:
    x = np.random.default_rng(0).normal(size=(5, 1, 28, 28)).astype(np.float32)
    heads = [make_entropy_head(), make_entropy_head()]
    got = run_graph(forward(lenet_graph, make_entropy_head(), also=heads), x=x)
    assert set(got) == {"logits", "score", "score_1", "score_2"}
    alone = run_graph(forward(lenet_graph, make_entropy_head()), x=x)["score"]
    for name in ("score", "score_1", "score_2"):
        np.testing.assert_array_equal(got[name], alone)


def test_a_generators_value_alone_needs_no_cotangent(generator_graph, generator_module, run_graph) -> None:
    plain = generator_forward(generator_graph)
    assert [value.name for value in plain.graph.input] == ["z"]
    z = torch.randn(3, 16)
    want = generator_module.eval()(z).detach().numpy()
    np.testing.assert_allclose(run_graph(plain, z=z.numpy())["x"], want, rtol=1e-3, atol=1e-5)


def test_probabilities_score_as_the_logits_they_came_from(make_entropy_head, run_graph) -> None:
    torch.manual_seed(0)
    logits = nn.Linear(6, 10)
    soft = export_forward(
        nn.Sequential(logits, nn.Softmax(-1)),
        torch.randn(2, 6),
        kind=GraphKind.CLASSIFIER,
        probabilities=True,
    )
    x = torch.randn(4, 6)
    got = run_graph(forward(soft, make_entropy_head()), x=x.numpy())
    want = entropy(logits(x)).detach().numpy()
    np.testing.assert_allclose(got["score"], want, rtol=1e-4, atol=1e-5)


def test_a_classifier_of_probabilities_can_give_its_embedding(make_entropy_head, run_graph) -> None:
    class Soft(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Linear(6, 5), nn.Linear(5, 10)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            embedding = torch.tanh(self.body(x))
            return self.head(embedding).softmax(-1), embedding

    module, x = Soft(), torch.randn(3, 6)
    graph = export_forward(module, x, kind=GraphKind.CLASSIFIER, probabilities=True)
    got = run_graph(forward(graph, make_entropy_head(), embedding=True), x=x.numpy())
    probabilities, embedding = (value.detach().numpy() for value in module(x))
    np.testing.assert_allclose(got["embedding"], embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(got["logits"], np.log(probabilities), rtol=1e-4, atol=1e-5)


def test_a_stochastic_classifier_splices_with_its_head(make_stochastic_head, run_graph, error_of) -> None:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(4, 6), nn.Tanh())
    net = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.4), nn.Linear(12, 3))
    stochastic = fix_dropout(net, passes=7, seed=0, example=torch.randn(1, 6))
    step = splice(
        export_pullback(made, torch.randn(2, 4), kind=GraphKind.GENERATOR),
        export_pullback(stochastic, torch.randn(2, 6)),
        make_stochastic_head(7, 3),
    )
    z = torch.randn(5, 4, requires_grad=True)
    score = (stochastic(made(z)) ** 2).sum(-1).mean(0)
    (dz,) = torch.autograd.grad(score.sum(), z)
    got = run_graph(step, z=z.detach().numpy())
    assert got["logits"].shape == (7, 5, 3)
    assert error_of(got["score"], score.detach().numpy()) < 1e-4
    assert error_of(got["dz"], dz.numpy()) < 1e-4


def test_a_head_with_free_classes_fits_any_classifier(linear, make_entropy_head, run_graph) -> None:
    got = run_graph(forward(linear, make_entropy_head(None)), x=np.zeros((2, 4), np.float32))
    np.testing.assert_allclose(got["score"], np.log(3), rtol=1e-5)


def test_names_used_in_several_graphs_do_not_clash(linear, make_entropy_head, run_graph) -> None:
    """The classifier calls a weight `p`, as the head calls its probabilities."""
    for tensor in linear.graph.initializer:
        if tensor.name == "w":
            tensor.name = "p"
    linear.graph.node[0].input[1] = "p"
    assert run_graph(forward(linear, make_entropy_head(3)), x=np.ones((2, 4), np.float32))["score"].shape == (
        2,
    )


def test_heads_of_another_opset_are_converted(linear, make_entropy_head, run_graph) -> None:
    head = version_converter.convert_version(make_entropy_head(3), 18)
    joined = forward(linear, head)
    assert {entry.domain: entry.version for entry in joined.opset_import}[""] == OPSET
    assert run_graph(joined, x=np.ones((2, 4), np.float32))["score"].shape == (2,)


def test_a_classifier_of_other_samples_is_refused(generator_graph, linear, make_entropy_head) -> None:
    with pytest.raises(GraphError, match=r"\[1, 28, 28\].*\[4\]") as caught:
        splice(generator_graph, linear, make_entropy_head(3))
    assert caught.value.code is GraphErrorCode.SHAPE_MISMATCH
    assert caught.value.metadata == {"generator": "[1, 28, 28]", "classifier": "[4]"}


def test_a_head_for_other_classes_or_passes_is_refused(
    linear, make_entropy_head, make_stochastic_head
) -> None:
    with pytest.raises(GraphError, match=r"\[B, 3\].*\[B, 10\]"):
        forward(linear, make_entropy_head(10))
    with pytest.raises(GraphError, match=r"\[B, 3\].*\[7, B, 3\]"):
        forward(linear, make_stochastic_head(7, 3))


def test_a_classifier_without_pullback_cannot_be_climbed(
    generator_graph, lenet_graph, make_entropy_head
) -> None:
    with pytest.raises(GraphError, match="without gradients") as caught:
        splice(generator_graph, forward_only(lenet_graph, ["logits"]), make_entropy_head())
    assert caught.value.code is GraphErrorCode.NO_PULLBACK


def test_joining_graphs_imports_no_torch() -> None:
    code = "import sys, graphs; graphs.check, graphs.splice; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_torch_the_export_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import graphs\n"
        "try: graphs.export_pullback\n"
        "except ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'install "dowser-al[trainer]"' in result.stdout and "torch" in result.stdout
