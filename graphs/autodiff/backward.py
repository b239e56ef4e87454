"""Walk a forward graph backwards and append its vector-Jacobian product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from graphs.autodiff.tape import RULES, Node, Tape, unsupported
from graphs.contract import GraphError, GraphErrorCode
from graphs.surgery import ancestors, sort_nodes

ZERO_DERIVATIVE = frozenset(
    [
        "Shape",
        "Size",
        "Equal",
        "Greater",
        "GreaterOrEqual",
        "Less",
        "LessOrEqual",
        "Not",
        "And",
        "Or",
        "Xor",
        "ArgMax",
        "ArgMin",
        "Floor",
        "Ceil",
        "Round",
        "Sign",
        "IsNaN",
        "IsInf",
        "ConstantOfShape",
        "Range",
        "NonZero",
        "OneHot",
    ]
)
"""Operators whose derivative is zero wherever it exists, as in torch: nothing flows back through them."""


def add_pullback(
    model: onnx.ModelProto, *, source: str, target: str, cotangent: str, gradient: str
) -> onnx.ModelProto:
    """Extend a forward graph by the pullback of one output to one input.

    Args:
        model: The forward graph, without functions or subgraphs; not changed. Symbolic dimensions must agree
            where they are equal, which shape inference needs.
        source: The input to differentiate by.
        target: The output whose cotangent comes in.
        cotangent: Name for the new input, shaped as `target`.
        gradient: Name for the new output, shaped as `source`.

    Returns:
        A new model whose outputs are those of `model` and then `gradient`.

    Raises:
        GraphError: UNSUPPORTED_OPERATOR, naming the operator, where a derivative is missing; EXPORT_FAILED if
            the output does not depend on the input at all.
    """
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    tape = Tape.of(inferred.graph)
    _collect_constants(tape)
    active = _active(inferred.graph, source, target)
    if target not in active:
        raise GraphError(
            GraphErrorCode.EXPORT_FAILED,
            f"{target!r} does not depend on {source!r} in a differentiable way: there is "
            "nothing to pull back",
        )
    grads: dict[str, list[str]] = {target: [cotangent]}
    tape.shapes[cotangent] = tape.shape(target, "the output")
    for proto in reversed(tape.nodes[:]):
        if proto.op_type in ZERO_DERIVATIVE or not any(name in active for name in proto.output):
            continue
        cotangents = [_total(tape, grads, name) if name in active else None for name in proto.output]
        if all(c is None for c in cotangents):
            continue
        for name, grad in zip(proto.input, _differentiate(tape, proto, cotangents, active), strict=False):
            if grad is not None and name in active:
                grads.setdefault(name, []).append(grad)
    total = _total(tape, grads, source)
    if total is None:
        raise GraphError(GraphErrorCode.EXPORT_FAILED, f"no gradient of {target!r} reaches {source!r}")
    tape.nodes.append(helper.make_node("Identity", [total], [gradient]))
    return _assemble(inferred, tape, source=source, target=target, cotangent=cotangent, gradient=gradient)


def _differentiate(
    tape: Tape, proto: onnx.NodeProto, cotangents: Sequence[str | None], active: set[str]
) -> Sequence[str | None]:
    operator = f"{proto.domain}.{proto.op_type}" if proto.domain not in ("", "ai.onnx") else proto.op_type
    if operator not in RULES:
        raise unsupported(operator, "it has no derivative rule")
    node = Node(
        op=operator,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attrs={a.name: _python(helper.get_attribute_value(a)) for a in proto.attribute},
        needs=tuple(name in active for name in proto.input),
        proto=proto,
    )
    return RULES[operator](tape, node, cotangents)


def _python(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def _total(tape: Tape, grads: dict[str, list[str]], name: str) -> str | None:
    """Sum the cotangents that arrived at a value; the sum replaces them."""
    parts = grads.get(name, [])
    if len(parts) > 1:
        total = tape.op("Add", *parts) if len(parts) == 2 else tape.op("Sum", *parts)
        grads[name] = [total]
    return grads[name][0] if parts else None


def _active(graph: onnx.GraphProto, source: str, target: str) -> set[str]:
    """Return the values on a differentiable way from source to target."""
    reached = {source}
    for node in graph.node:  # ONNX nodes are sorted
        if node.op_type not in ZERO_DERIVATIVE and any(name in reached for name in node.input):
            reached.update(name for name in node.output if name)
    integral = {v.name for v in graph.value_info if v.type.tensor_type.elem_type != onnx.TensorProto.FLOAT}
    return (reached & ancestors(graph, [target])) - integral


def _collect_constants(tape: Tape) -> None:
    """Turn Constant nodes into initializers, so that rules find every constant in one place."""
    kept = []
    for node in tape.nodes:
        if node.op_type != "Constant":
            kept.append(node)
            continue
        attribute = node.attribute[0]
        value = helper.get_attribute_value(attribute)
        if attribute.name == "value":
            array = numpy_helper.to_array(value)
        else:
            array = np.asarray(value, np.float32 if "float" in attribute.name else np.int64)
        tape.initializers[node.output[0]] = numpy_helper.from_array(array, node.output[0])
        tape.shapes[node.output[0]] = array.shape
    tape.nodes[:] = kept


def _assemble(
    model: onnx.ModelProto, tape: Tape, *, source: str, target: str, cotangent: str, gradient: str
) -> onnx.ModelProto:
    described = {value.name: value for value in (*model.graph.input, *model.graph.output)}
    graph = onnx.GraphProto(name=model.graph.name)
    graph.input.extend(model.graph.input)
    graph.input.append(_renamed(described[target], cotangent))
    graph.output.extend(model.graph.output)
    graph.output.append(_renamed(described[source], gradient))
    needed = {i for node in tape.nodes for i in node.input}
    graph.initializer.extend(t for t in tape.initializers.values() if t.name in needed)
    known = [value.name for value in graph.input] + [tensor.name for tensor in graph.initializer]
    graph.node.extend(sort_nodes(tape.nodes, known))
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.CopyFrom(graph)
    return extended


def _renamed(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    copy = onnx.ValueInfoProto()
    copy.CopyFrom(value)
    copy.name = name
    return copy
