"""Files that are damaged, no models at all, or hide something in the format itself."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.hostile.making import Maker, Registry, ints, node, value

REGISTRY = Registry()
NOT_ONNX = "NOT_ONNX"


def _sound(maker: Maker) -> bytes:
    return maker.model().SerializeToString()


@REGISTRY.add(NOT_ONNX)
def empty(maker: Maker) -> bytes:
    return b""


@REGISTRY.add(NOT_ONNX)
def random_bytes(maker: Maker) -> bytes:
    return np.random.default_rng(1).bytes(50_000)


@REGISTRY.add(NOT_ONNX)
def zeros(maker: Maker) -> bytes:
    return bytes(100_000)


@REGISTRY.add(NOT_ONNX)
def text(maker: Maker) -> bytes:
    return b"<html>404 Not Found</html>\n" * 100


@REGISTRY.add(NOT_ONNX)
def zip_bomb(maker: Maker) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("classifier.onnx", bytes(50_000_000))
    return held.getvalue()


@REGISTRY.add(NOT_ONNX)
def pickle_that_would_run_a_command(maker: Maker) -> bytes:
    return b"cposix\nsystem\n(S'true'\ntR."


@REGISTRY.add()
def cut_after_a_tenth(maker: Maker) -> bytes:
    data = _sound(maker)
    return data[: len(data) // 10]


@REGISTRY.add()
def cut_in_the_middle(maker: Maker) -> bytes:
    data = _sound(maker)
    return data[: len(data) // 2]


@REGISTRY.add()
def cut_by_one_byte(maker: Maker) -> bytes:
    return _sound(maker)[:-1]


@REGISTRY.add()
def bytes_swapped_in_the_middle(maker: Maker) -> bytes:
    data = bytearray(_sound(maker))
    data[10:200] = data[10:200][::-1]
    return bytes(data)


@REGISTRY.add()
def protobuf_nested_ten_thousand_deep(maker: Maker) -> bytes:
    inner = b""
    for _ in range(10_000):  # node (1) of graph, attribute (5) of node, g (6) of attribute
        for field in (5, 1, 6):
            inner = bytes([field << 3 | 2]) + _varint(len(inner)) + inner
    return _sound(maker) + b"\x3a" + _varint(len(inner[4:])) + inner[4:]


@REGISTRY.add("LOCAL_FUNCTIONS")
def functions_three_thousand_deep(maker: Maker) -> bytes:
    model = maker.model([helper.make_node("f0", ["sound"], ["end"], domain="d")], end="end", opsets={"d": 1})
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("d", 1)]
    for i in range(3000):
        inner = helper.make_node(
            f"f{i + 1}" if i < 2999 else "Relu", ["a"], ["b"], domain="d" if i < 2999 else ""
        )
        model.functions.append(helper.make_function("d", f"f{i}", ["a"], ["b"], [inner], imports))
    return model.SerializeToString()


@REGISTRY.add("LOCAL_FUNCTIONS")
def function_that_calls_itself(maker: Maker) -> bytes:
    model = maker.model([helper.make_node("f", ["sound"], ["end"], domain="d")], end="end", opsets={"d": 1})
    inner = helper.make_node("f", ["a"], ["b"], domain="d")
    model.functions.append(
        helper.make_function("d", "f", ["a"], ["b"], [inner], [helper.make_opsetid("d", 1)])
    )
    return model.SerializeToString()


@REGISTRY.add("SUBGRAPH")
def training_graph(maker: Maker) -> bytes:
    model = maker.model()
    model.training_info.add().algorithm.CopyFrom(model.graph)
    return model.SerializeToString()


@REGISTRY.add("SPARSE_INITIALIZER")
def sparse_tensor(maker: Maker) -> bytes:
    model = maker.model()
    values = numpy_helper.from_array(np.ones(1, np.float32), "hole")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, ints("at", 0), [2**40]))
    return model.SerializeToString()


@REGISTRY.add("SPARSE_INITIALIZER")
def sparse_constant(maker: Maker) -> bytes:
    values = numpy_helper.from_array(np.ones(1, np.float32), "")
    sparse = helper.make_sparse_tensor(values, ints("", 0), [2**30])
    return maker.plus([node("Constant", "", "big", sparse_value=sparse)], burden="big")


@REGISTRY.add("WRONG_DTYPE")
def string_tensor(maker: Maker) -> bytes:
    text = helper.make_tensor("s", TensorProto.STRING, [1], [b"x" * 1000])  # type: ignore[list-item]
    return maker.model([], [text]).SerializeToString()


@REGISTRY.add("WRONG_DTYPE")
def tensor_of_a_type_that_does_not_exist(maker: Maker) -> bytes:
    model = maker.model()
    model.graph.initializer[0].data_type = 99
    return model.SerializeToString()


@REGISTRY.add("WRONG_DTYPE")
def cast_to_strings(maker: Maker) -> bytes:
    nodes = [
        node("Cast", "sound", "words", to=TensorProto.STRING),
        node("Cast", "words", "end", to=TensorProto.FLOAT),
    ]
    return maker.model(nodes, end="end").SerializeToString()


@REGISTRY.add()
def weights_that_hold_less_than_they_declare(maker: Maker) -> bytes:
    model = maker.model()
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-40]
    return model.SerializeToString()


@REGISTRY.add()
def two_nodes_make_one_value(maker: Maker) -> bytes:
    nodes = [node("Relu", "sound", "end"), node("Tanh", "sound", "end")]
    return maker.model(nodes, end="end").SerializeToString()


@REGISTRY.add()
def two_inputs_of_one_name(maker: Maker) -> bytes:
    x = value("x", "B", *maker.shape)
    return maker.model(inputs=[x, x]).SerializeToString()


@REGISTRY.add("NOT_ACYCLIC", NOT_ONNX)
def nodes_in_a_circle(maker: Maker) -> bytes:
    nodes = [node("Add", "sound b", "a"), node("Relu", "a", "b")]
    return maker.model(nodes, end="b").SerializeToString()


@REGISTRY.add("NOT_ACYCLIC", NOT_ONNX)
def value_that_nobody_makes(maker: Maker) -> bytes:
    return maker.model([node("Add", "sound ghost", "end")], end="end").SerializeToString()


@REGISTRY.add("UNSUPPORTED_OPSET", NOT_ONNX)
def opset_of_the_far_future(maker: Maker) -> bytes:
    return maker.model(opsets={"": 2**31}).SerializeToString()


@REGISTRY.add("UNSUPPORTED_OPSET", NOT_ONNX)
def opset_below_zero(maker: Maker) -> bytes:
    return maker.model(opsets={"": -1}).SerializeToString()


@REGISTRY.add("UNSUPPORTED_OPSET", NOT_ONNX)
def opset_long_gone(maker: Maker) -> bytes:
    return maker.model(opsets={"": 1}).SerializeToString()


@REGISTRY.add(NOT_ONNX, "UNSUPPORTED_OPSET")
def no_opset(maker: Maker) -> bytes:
    model = maker.model()
    del model.opset_import[:]
    return model.SerializeToString()


@REGISTRY.add()
def file_format_of_the_far_future(maker: Maker) -> bytes:
    model = maker.model()
    model.ir_version = 10_000
    return model.SerializeToString()


def _external(maker: Maker, **entries: str) -> bytes:
    model = maker.model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in entries.items():
        tensor.external_data.add(key=key, value=text)
    return model.SerializeToString()


@REGISTRY.add("EXTERNAL_DATA")
def external_data_beside_the_model(maker: Maker) -> bytes:
    return _external(maker, location="ledger.sqlite")


@REGISTRY.add("EXTERNAL_DATA")
def external_data_by_absolute_path(maker: Maker) -> bytes:
    return _external(maker, location="/etc/passwd")


@REGISTRY.add("EXTERNAL_DATA")
def external_data_in_a_parent_folder(maker: Maker) -> bytes:
    return _external(maker, location="../../../../etc/passwd")


@REGISTRY.add("EXTERNAL_DATA")
def external_data_at_an_offset(maker: Maker) -> bytes:
    return _external(maker, location="weights.bin", offset=str(2**60), length=str(2**60))


@REGISTRY.add("EXTERNAL_DATA")
def external_data_in_the_memory_of_the_process(maker: Maker) -> bytes:
    return _external(maker, location="*/_ORT_MEM_ADDR_/*", offset="4096", length="4096")


@REGISTRY.add("EXTERNAL_DATA")
def external_data_in_a_constant(maker: Maker) -> bytes:
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/proc/self/environ")
    return maker.plus([node("Constant", "", "read", value=tensor)], burden="read")


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
