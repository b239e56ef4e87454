"""Graphs that break the contract are refused for the right reason, in words that help."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from graphs import GraphError, GraphErrorCode, GraphKind, check
from graphs.contract import KEY_CONTRACT, KEY_KIND
from graphs.surgery import batched, make_model, set_metadata, tensor_value

CODE = GraphErrorCode


def _rename(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = new if value.name == old else value.name


def _value(model: onnx.ModelProto, name: str) -> onnx.ValueInfoProto:
    return next(v for v in (*model.graph.input, *model.graph.output) if v.name == name)


def _fixed_batch(model: onnx.ModelProto) -> None:
    _value(model, "x").type.tensor_type.shape.dim[0].dim_value = 8


def _leak(model: onnx.ModelProto) -> None:
    model.graph.node[0].output[0] = "raw"
    model.graph.node.add(op_type="Add", input=["raw", "dlogits"], output=["logits"])


def _cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "later"
    model.graph.node.add(op_type="Add", input=["logits", "x"], output=["later"])


BREAKAGES: dict[str, tuple[Callable[[onnx.ModelProto], object], GraphErrorCode, str]] = {
    "input of another name": (lambda m: _rename(m, "x", "image"), CODE.WRONG_INPUTS, "'image'"),
    "gradient missing": (lambda m: m.graph.output.pop(), CODE.WRONG_OUTPUTS, "'dx'"),
    "surplus output": (
        lambda m: m.graph.output.append(tensor_value("wt", [3, 4])),
        CODE.WRONG_OUTPUTS,
        "'wt'",
    ),
    "fixed batch": (_fixed_batch, CODE.NOT_DYNAMIC_BATCH, "fixed at 8"),
    "float64": (
        lambda m: setattr(_value(m, "x").type.tensor_type, "elem_type", TensorProto.DOUBLE),
        CODE.WRONG_DTYPE,
        "DOUBLE",
    ),
    "a type that does not exist": (
        lambda m: setattr(_value(m, "x").type.tensor_type, "elem_type", 99),
        CODE.WRONG_DTYPE,
        "type 99",
    ),
    "gradient of another shape": (
        lambda m: setattr(_value(m, "dx").type.tensor_type.shape.dim[1], "dim_value", 9),
        CODE.WRONG_SHAPE,
        r"\['B', 4\]",
    ),
    "no classes axis": (
        lambda m: _value(m, "logits").type.tensor_type.shape.dim.pop(),
        CODE.WRONG_SHAPE,
        "2 or 3 dimensions",
    ),
    "dynamic features": (
        lambda m: setattr(_value(m, "x").type.tensor_type.shape.dim[1], "dim_param", "N"),
        CODE.WRONG_SHAPE,
        "static",
    ),
    "logits that depend on dlogits": (_leak, CODE.PULLBACK_LEAK, "depends on 'dlogits'"),
    "cycle": (_cycle, CODE.NOT_ACYCLIC, "later"),
    "old opset": (lambda m: setattr(m.opset_import[0], "version", 9), CODE.UNSUPPORTED_OPSET, "opset 9"),
    "says another kind": (lambda m: set_metadata(m, {KEY_KIND: "encoder"}), CODE.WRONG_KIND, "encoder"),
    "another contract": (lambda m: set_metadata(m, {KEY_CONTRACT: "2"}), CODE.WRONG_KIND, "version 2"),
    "invalid node": (lambda m: setattr(m.graph.node[0], "op_type", "MatMull"), CODE.NOT_ONNX, "MatMull"),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_broken_graph_is_refused_for_the_right_reason(name: str, linear: onnx.ModelProto) -> None:
    check(linear, GraphKind.CLASSIFIER)
    breaking, code, words = BREAKAGES[name]
    breaking(linear)
    with pytest.raises(GraphError, match=words) as caught:
        check(linear, GraphKind.CLASSIFIER)
    assert caught.value.code is code


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x08\x0a"])
def test_what_is_no_onnx_is_refused(data: bytes) -> None:
    with pytest.raises(GraphError) as caught:
        check(data, GraphKind.ENCODER)
    assert caught.value.code is CODE.NOT_ONNX


def test_a_graph_is_read_from_bytes_or_a_file(linear: onnx.ModelProto, tmp_path) -> None:
    path = tmp_path / "classifier.onnx"
    path.write_bytes(linear.SerializeToString())
    assert check(path, GraphKind.CLASSIFIER) == check(linear.SerializeToString(), GraphKind.CLASSIFIER)


def test_check_says_what_the_graph_takes_and_gives(linear: onnx.ModelProto) -> None:
    info = check(linear, GraphKind.CLASSIFIER)
    assert (info.input_shape, info.output_shape, info.passes) == ((4,), (3,), None)
    assert info.has_pullback and not info.has_embedding and info.output == "logits"


def test_a_head_must_give_scores_of_one_dimension(make_entropy_head) -> None:
    head = make_entropy_head(3)
    assert check(head, GraphKind.ACQUISITION).input_shape == (3,)
    head.graph.output[0].CopyFrom(tensor_value("score", ["B", 1]))
    with pytest.raises(GraphError, match="'score'"):
        check(head, GraphKind.ACQUISITION)


def test_an_encoder_gives_one_vector_for_each_sample() -> None:
    node = helper.make_node("Identity", ["x"], ["features"])
    graph = helper.make_graph([node], "e", [batched("x", [2, 2])], [batched("features", [2, 2])])
    with pytest.raises(GraphError, match="'features'"):
        check(make_model(graph), GraphKind.ENCODER)
