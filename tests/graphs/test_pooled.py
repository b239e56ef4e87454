"""Max pools over 2 x 2 windows and their derivatives, rewritten for the CPU, give the same values, ties included."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from graphs import derive_pullback, lower_for_cpu
from graphs.surgery import batched, make_model

RNG = np.random.default_rng(0)


def _network(size: int, **pooling) -> onnx.ModelProto:
    """Return a classifier, convolution, pool and a linear layer, of inputs [2, size, size], with its pullback."""
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], **pooling}
    out = (size - attributes["kernel_shape"][0]) // attributes["strides"][0] + 1
    stored = {
        "w": np.ones((3, 2, 1, 1), np.float32),  # of whole numbers, whole numbers: windows are full of ties
        "v": RNG.normal(size=(3 * out * out, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["p"], **attributes),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "v"], ["logits"]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in stored.items()]
    graph = helper.make_graph(nodes, "g", [batched("x", [2, size, size])], [batched("logits", [4])], tensors)
    return derive_pullback(make_model(graph))


def _operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


def test_the_first_of_equal_elements_takes_the_derivative_as_before(run_graph) -> None:
    model = _network(8)
    lowered = lower_for_cpu(model)
    onnx.checker.check_model(lowered, full_check=True)
    assert not {"MaxPool", "ScatterElements"} & _operators(lowered)
    for batch in (1, 5):
        x = RNG.integers(0, 3, (batch, 2, 8, 8)).astype(np.float32)
        dlogits = RNG.normal(size=(batch, 4)).astype(np.float32)
        want, got = (run_graph(each, x=x, dlogits=dlogits) for each in (model, lowered))
        assert np.count_nonzero(want["dx"])
        for name in ("logits", "dx"):
            np.testing.assert_array_equal(got[name], want[name])


@pytest.mark.parametrize(
    ("size", "pooling"),
    [(7, {}), (8, {"kernel_shape": [3, 3]}), (8, {"strides": [1, 1]})],
    ids=["odd map", "overlapping windows", "dense windows"],
)
def test_other_pools_stay_as_they_are(size, pooling) -> None:
    assert {"MaxPool", "ScatterElements"} <= _operators(lower_for_cpu(_network(size, **pooling)))


def test_places_that_somebody_else_reads_are_kept(run_graph) -> None:
    model = _network(8)
    pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
    model.graph.output.append(helper.make_tensor_value_info(pool.output[1], onnx.TensorProto.INT64, None))
    assert "MaxPool" in _operators(lower_for_cpu(model))
