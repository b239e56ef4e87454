"""A classifier exported by another tool becomes one of the contract and computes what it did."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from graphs import GraphError, GraphErrorCode, GraphKind, as_classifier, check, load_untrusted


def foreign() -> onnx.ModelProto:
    """Features of another name; an inner value called x; a label beside the probabilities; opset 15."""
    return onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 15]>
        foreign (float[N, 6] float_input) => (int64[N] label, float[N, 2] output_probability) {
            starts = Constant <value = int64[1] {0}> ()
            ends = Constant <value = int64[1] {2}> ()
            axes = Constant <value = int64[1] {1}> ()
            x = Slice (float_input, starts, ends, axes)
            output_probability = Softmax <axis = 1> (x)
            label = ArgMax <axis = 1, keepdims = 0> (output_probability)
        }""")


NAMES = {"input_name": "float_input", "output_name": "output_probability", "probabilities": True}


def test_a_foreign_classifier_takes_images_and_keeps_its_probabilities(run_graph) -> None:
    renamed = as_classifier(foreign().SerializeToString(), **NAMES, input_shape=(1, 2, 3))
    info = check(load_untrusted(renamed.SerializeToString()), GraphKind.CLASSIFIER)
    assert (info.input_shape, info.output_shape, info.output) == ((1, 2, 3), (2,), "probabilities")
    assert info.opset == 15
    images = np.random.default_rng(0).standard_normal((4, 1, 2, 3)).astype(np.float32)
    expected = run_graph(foreign(), float_input=images.reshape(4, 6))["output_probability"]
    np.testing.assert_array_equal(run_graph(renamed, x=images)["probabilities"], expected)


def test_without_another_shape_nothing_is_put_in_front(run_graph) -> None:
    renamed = as_classifier(foreign(), **NAMES)
    assert not any(node.op_type == "Reshape" for node in renamed.graph.node)
    x = np.ones((2, 6), np.float32)
    np.testing.assert_allclose(run_graph(renamed, x=x)["probabilities"], 0.5)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"input_name": "features"}, GraphErrorCode.WRONG_INPUTS),
        ({"output_name": "probability"}, GraphErrorCode.WRONG_OUTPUTS),
        ({"output_name": "label"}, GraphErrorCode.WRONG_SHAPE),
        ({"input_shape": (1, 7)}, GraphErrorCode.WRONG_SHAPE),
    ],
)
def test_what_does_not_fit_is_refused_by_its_reason(changes, code) -> None:
    with pytest.raises(GraphError) as refused:
        as_classifier(foreign(), **(NAMES | changes))
    assert refused.value.code is code
