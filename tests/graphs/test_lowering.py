"""Transposed convolutions rewritten for the CPU give the same values."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from graphs import GraphKind, check, generator_forward, lower_for_cpu, splice
from graphs.lowering import MIN_CHANNELS
from graphs.surgery import batched, make_model

RNG = np.random.default_rng(0)
INSIDE = MIN_CHANNELS

CASES = {
    "kernel 5, stride 2, odd output": ((5, 5), 2, (2, 2, 2, 2), (0, 0), (4, 4)),
    "kernel 5, stride 2, even output": ((5, 5), 2, (2, 2, 2, 2), (1, 1), (7, 7)),
    "kernel 4, stride 2": ((4, 4), 2, (1, 1, 1, 1), (0, 0), (5, 3)),
    "kernel 3, stride 2": ((3, 3), 2, (1, 1, 1, 1), (1, 1), (4, 6)),
    "unequal kernel and padding": ((4, 6), 3, (0, 1, 0, 1), (2, 1), (4, 3)),
    "kernel as stride": ((2, 2), 2, (0, 0, 0, 0), (0, 0), (3, 3)),
}


def _transposed(case: str, *, norm: bool, relu: bool, channels: int = MIN_CHANNELS) -> onnx.ModelProto:
    kernel, stride, pads, extra, size = CASES[case]
    tensors = {
        "w": RNG.normal(size=(INSIDE, channels, *kernel)),
        "b": RNG.normal(size=channels),
        "scale": RNG.uniform(0.5, 2, channels),
        "shift": RNG.normal(size=channels),
        "mean": RNG.normal(size=channels),
        "var": RNG.uniform(0.5, 2, channels),
    }
    nodes = [
        helper.make_node(
            "ConvTranspose",
            ["x", "w", "b"],
            ["v0"],
            strides=[stride] * 2,
            pads=pads,
            output_padding=extra,
        )
    ]
    if norm:
        nodes.append(helper.make_node("BatchNormalization", ["v0", "scale", "shift", "mean", "var"], ["v1"]))
    if relu:
        nodes.append(helper.make_node("Relu", [nodes[-1].output[0]], ["v2"]))
    nodes.append(helper.make_node("Tanh", [nodes[-1].output[0]], ["y"]))
    shape = [
        (n - 1) * stride + k - pads[i] - pads[i + 2] + extra[i]
        for i, (n, k) in enumerate(zip(size, kernel, strict=True))
    ]
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in tensors.items()]
    graph = helper.make_graph(
        nodes, "g", [batched("x", [INSIDE, *size])], [batched("y", [channels, *shape])], stored
    )
    return make_model(graph)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("norm", "relu"), [(False, False), (True, True), (False, True), (True, False)])
def test_the_phases_of_a_transposed_convolution_give_its_values(
    case: str, norm: bool, relu: bool, run_graph, error_of
) -> None:
    model = _transposed(case, norm=norm, relu=relu)
    lowered = lower_for_cpu(model)
    assert not any(node.op_type in ("ConvTranspose", "BatchNormalization") for node in lowered.graph.node)
    onnx.checker.check_model(lowered, full_check=True)
    for batch in (1, 3):
        x = RNG.normal(size=(batch, INSIDE, *CASES[case][4])).astype(np.float32)
        assert error_of(run_graph(lowered, x=x)["y"], run_graph(model, x=x)["y"]) < 1e-5


def test_narrow_transposed_convolutions_stay_as_they_are() -> None:
    model = _transposed("kernel 4, stride 2", norm=True, relu=True, channels=MIN_CHANNELS - 1)
    assert lower_for_cpu(model).graph.node == model.graph.node


def test_a_value_that_somebody_else_reads_is_kept(run_graph) -> None:
    """The batch norm's output is an output of the graph too, so the ReLU after it cannot move in."""
    model = _transposed("kernel 4, stride 2", norm=True, relu=True)
    model.graph.output.append(helper.make_tensor_value_info("v1", onnx.TensorProto.FLOAT, None))
    x = RNG.normal(size=(2, INSIDE, 5, 3)).astype(np.float32)
    lowered, plain = run_graph(lower_for_cpu(model), x=x), run_graph(model, x=x)
    for name in ("y", "v1"):
        np.testing.assert_allclose(lowered[name], plain[name], rtol=1e-4, atol=1e-4)


def test_a_lowered_step_gives_the_same_scores_and_gradients(
    generator_graph, lenet_graph, make_entropy_head, run_graph, error_of
) -> None:
    plain = splice(generator_graph, lenet_graph, make_entropy_head(), for_cpu=False)
    lowered = splice(generator_graph, lenet_graph, make_entropy_head())
    operators = [node.op_type for node in lowered.graph.node]
    assert "Gather" in operators, "small maps become products of gathered inputs"
    assert "DepthToSpace" in operators, "larger ones interleaved phases"
    z = RNG.normal(size=(6, 16)).astype(np.float32)
    want, got = run_graph(plain, z=z), run_graph(lowered, z=z)
    assert all(error_of(got[name], want[name]) < 1e-4 for name in want)


def test_a_lowered_generator_is_still_one(generator_graph) -> None:
    info = check(generator_forward(generator_graph), GraphKind.GENERATOR)
    assert not info.has_pullback and info.output_shape == (1, 28, 28)


def test_what_was_lowered_before_is_returned_as_it_is(generator_graph) -> None:
    once = lower_for_cpu(generator_graph)
    assert once is not generator_graph
    assert lower_for_cpu(once) is once
