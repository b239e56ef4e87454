"""Sound ONNX that is not the classifier it should be: names, ranks, types, sizes, operators, control flow."""

from __future__ import annotations

from onnx import TensorProto, helper, parser

from benchmarks.hostile.making import MISMATCH, Maker, Registry, ints, node, value

REGISTRY = Registry()


@REGISTRY.add("WRONG_INPUTS")
def input_of_another_name(maker: Maker) -> bytes:
    model = maker.model(inputs=[value("image", "B", *maker.shape)])
    model.graph.node[0].input[0] = "image"
    return model.SerializeToString()


@REGISTRY.add("WRONG_INPUTS")
def one_input_too_many(maker: Maker) -> bytes:
    inputs = [value("x", "B", *maker.shape), value("secret", "B", 1)]
    return maker.model(inputs=inputs).SerializeToString()


@REGISTRY.add("WRONG_OUTPUTS")
def output_of_another_name(maker: Maker) -> bytes:
    return maker.model(outputs=[value("sound", "B", maker.classes)]).SerializeToString()


@REGISTRY.add("WRONG_OUTPUTS")
def no_output(maker: Maker) -> bytes:
    return maker.model(outputs=[]).SerializeToString()


@REGISTRY.add("WRONG_SHAPE", "NOT_ONNX")
def logits_of_rank_one(maker: Maker) -> bytes:
    return maker.model(outputs=[value("logits", "B")]).SerializeToString()


@REGISTRY.add("WRONG_SHAPE", "NOT_ONNX")
def logits_of_rank_five(maker: Maker) -> bytes:
    return maker.model(outputs=[value("logits", "B", 1, 1, 1, maker.classes)]).SerializeToString()


@REGISTRY.add("WRONG_SHAPE", "NOT_ONNX")
def logits_without_a_shape(maker: Maker) -> bytes:
    bare = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    return maker.model(outputs=[bare]).SerializeToString()


@REGISTRY.add("WRONG_DTYPE", "NOT_ONNX")
def integers_for_input(maker: Maker) -> bytes:
    x = value("x", "B", *maker.shape, dtype=TensorProto.INT64)
    return maker.model(inputs=[x]).SerializeToString()


@REGISTRY.add("WRONG_DTYPE", "NOT_ONNX")
def doubles_for_logits(maker: Maker) -> bytes:
    out = value("logits", "B", maker.classes, dtype=TensorProto.DOUBLE)
    return maker.model(outputs=[out]).SerializeToString()


@REGISTRY.add("WRONG_DTYPE", "NOT_ONNX", "WRONG_SHAPE")
def optional_input(maker: Maker) -> bytes:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["B", *maker.shape])
    x = helper.make_value_info("x", helper.make_optional_type_proto(tensor))
    return maker.model(inputs=[x]).SerializeToString()


@REGISTRY.add("WRONG_DTYPE", "NOT_ONNX", "WRONG_SHAPE")
def sequence_for_output(maker: Maker) -> bytes:
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, ["B", maker.classes])
    out = helper.make_value_info("logits", helper.make_sequence_type_proto(tensor))
    return maker.model(outputs=[out]).SerializeToString()


@REGISTRY.add("NOT_DYNAMIC_BATCH")
def batch_of_one_size(maker: Maker) -> bytes:
    inputs, outputs = [value("x", 7, *maker.shape)], [value("logits", 7, maker.classes)]
    return maker.model(inputs=inputs, outputs=outputs).SerializeToString()


@REGISTRY.add(reasons=(MISMATCH,))
def samples_of_another_shape(maker: Maker) -> bytes:
    other = Maker(shape=(3, 5, 7), classes=maker.classes)
    return other.model().SerializeToString()


@REGISTRY.add("TOO_LARGE", "NOT_ONNX")
def dimension_beyond_all_memory(maker: Maker) -> bytes:
    return maker.model(inputs=[value("x", "B", 2**40, 2**40)]).SerializeToString()


@REGISTRY.add("TOO_LARGE", "NOT_ONNX")
def dimensions_whose_product_overflows(maker: Maker) -> bytes:
    return maker.model(inputs=[value("x", "B", *[2**23] * 8)]).SerializeToString()


@REGISTRY.add("TOO_LARGE", "NOT_ONNX")
def dimension_below_zero(maker: Maker) -> bytes:
    return maker.model(inputs=[value("x", "B", -8, -8)]).SerializeToString()


@REGISTRY.add("WRONG_SHAPE", "NOT_ONNX")
def dimension_zero(maker: Maker) -> bytes:
    return maker.model(inputs=[value("x", "B", 0, 0)]).SerializeToString()


@REGISTRY.add("TOO_LARGE")
def a_million_classes(maker: Maker) -> bytes:
    nodes = [node("Pad", "sound to", "end")]
    pads = helper.make_tensor("to", TensorProto.INT64, [4], [0, 0, 0, 2**20])
    out = value("logits", "B", 2**20 + maker.classes)
    return maker.model(nodes, [pads], end="end", outputs=[out]).SerializeToString()


@REGISTRY.add("PULLBACK_LEAK")
def logits_that_read_their_cotangent(maker: Maker) -> bytes:
    inputs = [value("x", "B", *maker.shape), value("dlogits", "B", maker.classes)]
    outputs = [value("logits", "B", maker.classes), value("dx", "B", *maker.shape)]
    nodes = [node("Add", "sound dlogits", "end"), node("Identity", "x", "dx")]
    return maker.model(nodes, end="end", inputs=inputs, outputs=outputs).SerializeToString()


@REGISTRY.add("UNKNOWN_OPERATOR")
def operator_that_does_not_exist(maker: Maker) -> bytes:
    return maker.model([node("Frobnicate", "sound", "end")], end="end").SerializeToString()


@REGISTRY.add("UNKNOWN_OPERATOR")
def operator_of_chance(maker: Maker) -> bytes:
    return maker.plus([node("RandomUniform", "", "r", shape=[4])], burden="r")


@REGISTRY.add("UNKNOWN_OPERATOR")
def sequence_operators(maker: Maker) -> bytes:
    nodes = [node("SequenceConstruct", "sound", "s"), node("ConcatFromSequence", "s", "end", axis=0)]
    return maker.model(nodes, end="end").SerializeToString()


@REGISTRY.add("UNKNOWN_OPERATOR")
def non_zero_whose_size_hangs_on_values(maker: Maker) -> bytes:
    nodes = [node("NonZero", "flat", "at"), node("Cast", "at", "f", to=TensorProto.FLOAT)]
    return maker.plus(nodes, burden="f")


@REGISTRY.add("UNKNOWN_DOMAIN")
def operator_of_the_runtimes_own_domain(maker: Maker) -> bytes:
    nodes = [helper.make_node("Gelu", ["sound"], ["end"], domain="com.microsoft")]
    return maker.model(nodes, end="end", opsets={"com.microsoft": 1}).SerializeToString()


@REGISTRY.add("UNKNOWN_DOMAIN")
def operator_of_a_domain_of_its_own(maker: Maker) -> bytes:
    nodes = [helper.make_node("PyOp", ["sound"], ["end"], domain="evil.example", code="import os")]
    return maker.model(nodes, end="end", opsets={"evil.example": 1}).SerializeToString()


_ENDLESS = "body (int64 i, bool go) => (bool again) { again = Identity (go) }"
_NESTED = (
    "body (int64 i, bool go) => (bool again) "
    "{ again = Loop <body = inner (int64 j, bool on) => (bool more) { more = Identity (on) }> (, go) }"
)


def _looping(maker: Maker, body: str) -> bytes:
    nodes = [helper.make_node("Loop", ["", "yes"], [], body=parser.parse_graph(body))]
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return maker.model(nodes, [yes]).SerializeToString()


@REGISTRY.add("SUBGRAPH")
def endless_loop(maker: Maker) -> bytes:
    return _looping(maker, _ENDLESS)


@REGISTRY.add("SUBGRAPH")
def loop_in_a_loop(maker: Maker) -> bytes:
    return _looping(maker, _NESTED)


@REGISTRY.add("SUBGRAPH")
def scan(maker: Maker) -> bytes:
    body = parser.parse_graph("body (float[N] row) => (float[N] out) { out = Relu (row) }")
    nodes = [helper.make_node("Scan", ["sound"], ["end"], body=body, num_scan_inputs=1)]
    return maker.model(nodes, end="end").SerializeToString()


@REGISTRY.add("SUBGRAPH")
def branches(maker: Maker) -> bytes:
    branch = parser.parse_graph("branch () => (float[1] out) { out = Constant <value_floats = [1.0]> () }")
    nodes = [helper.make_node("If", ["yes"], ["b"], then_branch=branch, else_branch=branch)]
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return maker.model([*nodes, node("Add", "sound b", "end")], [yes], end="end").SerializeToString()


@REGISTRY.add("SUBGRAPH", "NOT_ONNX")
def branches_nested_twenty_deep(maker: Maker) -> bytes:
    graph = parser.parse_graph("branch () => (float[1] out) { out = Constant <value_floats = [1.0]> () }")
    for _ in range(20):
        outer = helper.make_node("If", ["yes"], ["out"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([outer], "branch", [], [value("out", 1)])
        if graph.ByteSize() > 2**20:
            break
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    return maker.model([graph.node[0]], [yes]).SerializeToString()


@REGISTRY.add("DOES_NOT_RUN", "NOT_ONNX")
def gather_beyond_the_end(maker: Maker) -> bytes:
    nodes = [node("Gather", "sound far", "one", axis=1)]
    far = helper.make_tensor("far", TensorProto.INT64, [1], [2**40])
    return maker.plus(nodes, [far], burden="one")


@REGISTRY.add("DOES_NOT_RUN", "NOT_ONNX")
def top_of_more_than_there_are(maker: Maker) -> bytes:
    k = helper.make_tensor("k", TensorProto.INT64, [1], [2**40])
    return maker.plus([node("TopK", "sound k", "top at")], [k], burden="top")


@REGISTRY.add("DOES_NOT_RUN", "NOT_ONNX", "TOO_LARGE")
def pooling_with_a_giant_kernel(maker: Maker) -> bytes:
    nodes = [
        node("Reshape", "flat image", "plane"),
        node("MaxPool", "plane", "pooled", kernel_shape=[2**23, 2**23]),
    ]
    image = helper.make_tensor("image", TensorProto.INT64, [4], [-1, 1, 1, maker.size])
    return maker.plus(nodes, [image], burden="pooled")


@REGISTRY.add("WRONG_SHAPE", "DOES_NOT_RUN")
def fewer_logits_than_declared(maker: Maker) -> bytes:
    nodes = [
        node("Shape", "sound", "shape"),
        node("Sub", "shape less", "stop"),
        node("Slice", "sound zero stop", "end"),
    ]
    return maker.model(nodes, [ints("less", 0, 1), ints("zero", 0, 0)], end="end").SerializeToString()
