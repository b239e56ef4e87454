"""Hostile uploads are refused before anything runs them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphs import GraphError, GraphErrorCode, GraphKind, Limits, check, load_untrusted
from graphs.surgery import batched, make_model

CODE = GraphErrorCode


def _classifier(
    nodes: Sequence[onnx.NodeProto],
    tensors: Sequence[onnx.TensorProto] = (),
    opsets: dict[str, int] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(list(nodes), "g", [batched("x", [4])], [batched("logits", [4])], list(tensors))
    return make_model(graph, opsets)


def _ints(name: str, *values: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, np.int64), name)


def _refused(model: onnx.ModelProto, limits: Limits | None = None) -> GraphError:
    with pytest.raises(GraphError) as caught:
        load_untrusted(model.SerializeToString(), limits)
    return caught.value


def test_our_own_exports_pass(lenet_graph, generator_graph) -> None:
    for graph, kind in ((lenet_graph, GraphKind.CLASSIFIER), (generator_graph, GraphKind.GENERATOR)):
        loaded = load_untrusted(graph.SerializeToString())
        assert check(loaded, kind) == check(graph, kind)


def test_a_model_above_the_byte_limit_is_not_even_parsed() -> None:
    with pytest.raises(GraphError, match="limit is 10") as caught:
        load_untrusted(b"x" * 11, Limits(max_bytes=10))
    assert caught.value.code is CODE.TOO_LARGE
    assert caught.value.metadata == {"value": "11", "limit": "10"}


def test_a_deep_chain_of_local_functions_is_refused() -> None:
    """Such a chain, 3000 deep and 148 kB, kills the process that loads it."""
    model = _classifier([helper.make_node("f0", ["x"], ["logits"], domain="d")], opsets={"d": 1})
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("d", 1)]
    for i in range(3000):
        inner = helper.make_node(f"f{i + 1}", ["a"], ["b"], domain="d")
        model.functions.append(helper.make_function("d", f"f{i}", ["a"], ["b"], [inner], imports))
    error = _refused(model)
    assert error.code is CODE.LOCAL_FUNCTIONS and error.metadata["functions"] == "3000"


@pytest.mark.parametrize("computed", [False, True], ids=["stored size", "computed size"])
def test_a_constant_of_shape_bomb_is_refused(computed: bool) -> None:
    """A few bytes that ask for gigabytes pass the ONNX checker."""
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["bomb"]),
        helper.make_node("ReduceMax", ["bomb"], ["one"], keepdims=0),
        helper.make_node("Add", ["x", "one"], ["logits"]),
    ]
    tensors = [_ints("size", 20_000, 20_000)]
    if computed:
        nodes.insert(0, helper.make_node("Mul", ["half", "half"], ["size"]))
        tensors = [_ints("half", 20_000)]
    model = _classifier(nodes, tensors)
    onnx.checker.check_model(model)
    assert _refused(model).code is CODE.TOO_LARGE


def test_growth_by_tiling_and_by_broadcasting_is_refused() -> None:
    tile = [helper.make_node("Tile", ["x", "n"], ["big"]), helper.make_node("ReduceSum", ["big"], ["logits"])]
    assert _refused(_classifier(tile, [_ints("n", 1, 2**30)])).code is CODE.TOO_LARGE
    row, column = (np.zeros(shape, np.float32) for shape in ((1, 8000), (8000, 1)))
    outer = [helper.make_node("Add", ["r", "c"], ["big"]), helper.make_node("ReduceSum", ["big"], ["logits"])]
    tensors = [numpy_helper.from_array(row, "r"), numpy_helper.from_array(column, "c")]
    assert _refused(_classifier(outer, tensors)).code is CODE.TOO_LARGE


def test_a_range_of_tiny_steps_and_an_outer_product_are_refused() -> None:
    steps = [helper.make_node("Range", ["from", "to", "by"], ["big"]), _total("big")]
    numbers = [numpy_helper.from_array(np.float32(v), n) for n, v in (("from", 0), ("to", 1e4), ("by", 1e-9))]
    assert _refused(_classifier(steps, numbers)).code is CODE.TOO_LARGE
    outer = [helper.make_node("Einsum", ["v", "v", "v"], ["big"], equation="i,j,k->ijk"), _total("big")]
    vector = numpy_helper.from_array(np.zeros(4000, np.float32), "v")
    assert _refused(_classifier(outer, [vector])).code is CODE.TOO_LARGE


def _total(name: str) -> onnx.NodeProto:
    return helper.make_node("ReduceSum", [name], ["logits"])


def test_a_huge_padding_is_refused() -> None:
    node = helper.make_node("Pad", ["x", "pads"], ["logits"])
    assert _refused(_classifier([node], [_ints("pads", 0, 0, 0, 2**40)])).code is CODE.TOO_LARGE


def test_a_tensor_that_declares_more_than_it_holds_is_refused() -> None:
    lying = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2**20, 2**20], raw_data=b"1234")
    node = helper.make_node("MatMul", ["x", "w"], ["logits"])
    assert _refused(_classifier([node], [lying])).code is CODE.TOO_LARGE


@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_external_data_is_refused_without_reading_it(where: str, tmp_path, monkeypatch) -> None:
    """Relative external data would read files of the working directory into the model's output."""
    (tmp_path / "secret").write_bytes(b"0" * 16)
    monkeypatch.chdir(tmp_path)
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret")
    add = helper.make_node("Add", ["x", "w"], ["logits"])
    if where == "initializer":
        model = _classifier([add], [tensor])
    else:
        constant = helper.make_node("Constant", [], ["w"])
        constant.attribute.append(
            onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR, t=tensor)
        )
        model = _classifier([constant, add])
    assert _refused(model).code is CODE.EXTERNAL_DATA


@pytest.mark.parametrize("operator", ["If", "Loop", "Scan"])
def test_control_flow_is_refused(operator: str) -> None:
    body = helper.make_graph([], "body", [], [])
    node = helper.make_node(operator, ["x"], ["logits"], body=body)
    error = _refused(_classifier([node]))
    assert error.code is CODE.SUBGRAPH and error.metadata["operator"] == operator


@pytest.mark.parametrize(
    "operator", ["RandomNormalLike", "StringConcat", "SequenceConstruct", "NoSuchOperator"]
)
def test_operators_off_the_list_are_refused_by_name(operator: str) -> None:
    error = _refused(_classifier([helper.make_node(operator, ["x"], ["logits"])]))
    assert error.code is CODE.UNKNOWN_OPERATOR and error.metadata["operator"] == operator


def test_operators_of_other_domains_are_refused() -> None:
    node = helper.make_node("Gelu", ["x"], ["logits"], domain="com.microsoft")
    error = _refused(_classifier([node], opsets={"com.microsoft": 1}))
    assert error.code is CODE.UNKNOWN_DOMAIN and error.metadata["domain"] == "com.microsoft"


def test_domains_that_are_only_imported_are_dropped() -> None:
    model = _classifier([helper.make_node("Relu", ["x"], ["logits"])], opsets={"com.microsoft": 1})
    assert [entry.domain for entry in load_untrusted(model.SerializeToString()).opset_import] == [""]


def test_scikit_learns_operators_pass() -> None:
    node = helper.make_node("Scaler", ["x"], ["logits"], domain="ai.onnx.ml", offset=[0.0], scale=[2.0])
    model = _classifier([node], opsets={"ai.onnx.ml": 3})
    assert load_untrusted(model.SerializeToString()).graph.node[0].domain == "ai.onnx.ml"


def test_sparse_tensors_and_too_many_nodes_are_refused() -> None:
    model = _classifier([helper.make_node("Relu", ["x"], ["logits"])])
    sparse = model.graph.sparse_initializer.add()
    sparse.dims.extend([4])
    assert _refused(model).code is CODE.SPARSE_INITIALIZER
    chain = [helper.make_node("Relu", ["x" if i == 0 else f"v{i}"], [f"v{i + 1}"]) for i in range(10)]
    assert _refused(_classifier(chain), Limits(max_nodes=9)).code is CODE.TOO_LARGE


def test_shapes_that_contradict_each_other_are_refused_not_raised_raw() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["logits"])
    weight = numpy_helper.from_array(np.zeros((5, 4), np.float32), "w")
    model = _classifier([node], [weight])
    try:
        load_untrusted(model.SerializeToString())
    except GraphError as error:
        assert error.code is CODE.NOT_ONNX
