"""A pullback derived from a forward-only graph equals torch's gradient; what cannot be differentiated says why."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graphs import GraphError, GraphErrorCode, GraphKind, check, derive_pullback, export_forward
from graphs.surgery import batched, make_model

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(96, 12), nn.GELU(), nn.Linear(12, 5)),
    ).eval()


@pytest.mark.parametrize("probabilities", [False, True])
def test_a_derived_pullback_equals_torchs_gradient(run_graph, error_of, probabilities: bool) -> None:
    module = network()
    exported = nn.Sequential(module, nn.Softmax(dim=1)) if probabilities else module
    example = torch.randn(3, 1, 8, 8)
    plain = export_forward(exported, example, kind=GraphKind.CLASSIFIER, probabilities=probabilities)
    derived = derive_pullback(plain)
    assert check(derived, GraphKind.CLASSIFIER).has_pullback
    for batch in (1, 5, 7):
        x = torch.randn(batch, 1, 8, 8, requires_grad=True)
        dlogits = torch.randn(batch, 5)
        logits = module(x).log_softmax(1) if probabilities else module(x)
        (dx,) = torch.autograd.grad(logits, x, dlogits)
        got = run_graph(derived, x=x.detach().numpy(), dlogits=dlogits.numpy())
        assert error_of(got["logits"], logits.detach().numpy()) < 1e-4
        assert error_of(got["dx"], dx.numpy()) < 1e-4


def test_names_of_the_uploaded_graph_do_not_meet_those_of_the_pullback(run_graph) -> None:
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        clash (float[batch, 3] x) => (float[N, 3] logits) {
            dx = Mul (x, x)
            dlogits = Exp (dx)
            logits = Add (dlogits, x)
        }""")
    x, dlogits = np.array([[0.5, -1.0, 2.0]], np.float32), np.array([[1.0, 2.0, -1.0]], np.float32)
    got = run_graph(derive_pullback(model), x=x, dlogits=dlogits)
    np.testing.assert_allclose(got["dx"], dlogits * (2 * x * np.exp(x * x) + 1), rtol=1e-5)


def test_trees_have_no_pullback() -> None:
    tree = onnx.helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        nodes_treeids=[0, 0, 0],
        nodes_nodeids=[0, 1, 2],
        nodes_featureids=[0, 0, 0],
        nodes_values=[0.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 0],
        nodes_falsenodeids=[2, 0, 0],
        class_treeids=[0, 0],
        class_nodeids=[1, 2],
        class_ids=[0, 1],
        class_weights=[1.0, 1.0],
        classlabels_int64s=[0, 1],
        post_transform="NONE",
    )
    graph = onnx.helper.make_graph([tree], "tree", [batched("x", [3])], [batched("probabilities", [2])])
    with pytest.raises(GraphError) as refused:
        derive_pullback(make_model(graph, {"ai.onnx.ml": 1}))
    assert refused.value.code is GraphErrorCode.UNSUPPORTED_OPERATOR
    assert "TreeEnsembleClassifier" in str(refused.value)
