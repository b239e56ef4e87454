"""Denormal weights become zeros, and nothing else changes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from graphs import without_denormals
from graphs.surgery import batched, make_model

RNG = np.random.default_rng(0)
SMALLEST = np.finfo(np.float32).tiny


def _classifier(w: np.ndarray, *, constant: bool = False) -> onnx.ModelProto:
    """Return x [B, 16] -> logits [B, 4] of weights w [16, 4], in an initializer or a Constant node."""
    tensor = numpy_helper.from_array(w, "w")
    stored = [] if constant else [tensor]
    nodes = [helper.make_node("Constant", [], ["w"], value=tensor)] if constant else []
    nodes.append(helper.make_node("MatMul", ["x", "w"], ["logits"]))
    return make_model(helper.make_graph(nodes, "g", [batched("x", [16])], [batched("logits", [4])], stored))


def _weights(model: onnx.ModelProto) -> np.ndarray:
    tensors = [*model.graph.initializer, *(each.t for node in model.graph.node for each in node.attribute)]
    (weights,) = [numpy_helper.to_array(tensor) for tensor in tensors]
    return weights


@pytest.mark.parametrize("constant", [False, True])
def test_denormal_weights_are_zeros_and_the_logits_stay_the_same(run_graph, constant: bool) -> None:
    w = RNG.normal(size=(16, 4)).astype(np.float32)
    w[::2] *= np.float32(1e-39)
    w[1, 0], w[1, 1] = SMALLEST, -SMALLEST  # the smallest that are none
    model = _classifier(w, constant=constant)
    before = model.SerializeToString()
    flushed = without_denormals(model)
    np.testing.assert_array_equal(_weights(flushed), np.where(np.abs(w) < SMALLEST, 0, w))
    assert np.count_nonzero(_weights(flushed)) == 8 * 4
    assert model.SerializeToString() == before
    x = RNG.normal(size=(5, 16)).astype(np.float32)
    want, got = (run_graph(each, x=x)["logits"] for each in (model, flushed))
    np.testing.assert_array_equal(got, want)


def test_a_graph_without_any_is_left_as_it_is() -> None:
    w = RNG.normal(size=(16, 4)).astype(np.float32)
    w[0] = 0
    model = _classifier(w)
    assert without_denormals(model) is model


def test_a_number_that_keeps_a_logarithm_finite_stays() -> None:
    model = _classifier(np.full((1, 1), 1e-40, np.float32))
    assert without_denormals(model) is model


def test_a_tensor_of_too_many_bytes_is_left_to_the_runtime() -> None:
    model = _classifier(np.full((16, 4), 1e-40, np.float32))
    model.graph.initializer[0].raw_data += b"\0" * 3
    assert without_denormals(model) is model
