"""A derived gradient is used where it agrees with finite differences, and nowhere else."""

import numpy as np
import onnx
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier
from torch import nn

from client import export_sklearn
from graphs import GraphKind, export_forward
from graphs.autodiff import RULES
from query_server.models.derived_pullback import derived_pullback
from query_server.models.runtime import Runtime

SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def runtime():
    return Runtime(device="cpu", threads=1)


def derived(model, runtime):
    return derived_pullback(model, classifier_id="test", input_shape=SHAPE, runtime=runtime)


def forward_only_export(module):
    return export_forward(module.eval(), torch.randn(3, *SHAPE), kind=GraphKind.CLASSIFIER)


def small_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.Tanh(), nn.Linear(20, 10))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_right_gradient_is_used_whatever_its_size(runtime, scale):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = small_network()

        def forward(self, x):
            return self.inner(x) * scale

    assert derived(forward_only_export(Scaled()), runtime) is not None


def test_kinks_do_not_spoil_the_check(runtime, digits_classifier):
    assert derived(forward_only_export(digits_classifier), runtime) is not None


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_scikit_learn_network_has_a_gradient_and_a_forest_has_none(runtime, digits):
    x, y = digits.pool[:200].reshape(200, 64) / np.float32(128) - 1, digits.pool_labels[:200]
    for estimator, differentiable in ((MLPClassifier(max_iter=20), True), (RandomForestClassifier(5), False)):
        model = onnx.load_from_string(export_sklearn(estimator.fit(x, y), SHAPE))
        assert (derived(model, runtime) is not None) == differentiable


def test_a_wrong_derivative_is_found_and_not_used(runtime, monkeypatch):
    model = forward_only_export(small_network())
    assert derived(model, runtime) is not None
    # Tanh as if it were the identity: right shapes, wrong numbers.
    monkeypatch.setitem(RULES, "Tanh", lambda tape, node, cotangents: [cotangents[0]])
    assert derived(model, runtime) is None


def test_a_gradient_that_is_zero_nearly_everywhere_is_not_used(runtime):
    stairs = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        stairs (float[B, 1, 8, 8] x) => (float[B, 2] logits) {
            shape = Constant <value = int64[2] {-1, 64}> ()
            flat = Reshape (x, shape)
            hundred = Constant <value = float {100.0}> ()
            far = Sub (flat, hundred)
            dead = Relu (far)
            starts = Constant <value = int64[1] {0}> ()
            ends = Constant <value = int64[1] {2}> ()
            axes = Constant <value = int64[1] {1}> ()
            logits = Slice (dead, starts, ends, axes)
        }""")
    assert derived(stairs, runtime) is None


def test_an_operator_without_a_rule_leaves_no_gradient(runtime):
    sums = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 18]>
        sums (float[B, 1, 8, 8] x) => (float[B, 64] logits) {
            shape = Constant <value = int64[2] {-1, 64}> ()
            flat = Reshape (x, shape)
            axis = Constant <value = int64 {1}> ()
            logits = CumSum (flat, axis)
        }""")
    assert derived(sums, runtime) is None
