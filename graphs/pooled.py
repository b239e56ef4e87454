"""Max pooling over 2 x 2 windows and its derivative, as elementwise operators that are fast on the CPU.

ONNX Runtime's MaxPool with its second output, the places, runs one window at a time, and the derivative scatters by
them: together a quarter of an optimizer step of a small network. SpaceToDepth brings the four elements of every window
side by side, in the order in which MaxPool looks at them; the first of equal ones is picked there and here:

    left = max(a, b), right = max(c, d), y = max(left, right)
    da = dy · [left ≥ right] · [a ≥ b], and so on, where [...] is 1 - [less]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
from onnx import helper

from graphs.nodes import NodeBuilder
from graphs.surgery import Dim

_WINDOW = [2, 2]


def fast_max_pools(
    nodes: Sequence[onnx.NodeProto], shapes: Mapping[str, tuple[Dim, ...] | None], outputs: set[str]
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """Rewrite the max pools over 2 x 2 windows whose places only their derivative reads.

    Args:
        nodes: Of a graph, in order.
        shapes: Of its values, as far as they are known.
        outputs: Names of its outputs.

    Returns:
        The nodes, in an order that holds again, and constants that they need besides.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    made = {name: node for node in nodes for name in node.output}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    replaced: dict[str, list[onnx.NodeProto]] = {}
    tensors: list[onnx.TensorProto] = []
    for pool in nodes:
        if pool.op_type != "MaxPool" or not _is_plain(pool, shapes):
            continue
        scatter = _scatter_of(pool, readers, outputs)
        if scatter is None:
            continue
        flat_dy = made.get(scatter.input[2])
        shaped = readers.get(scatter.output[0], [])
        if flat_dy is None or flat_dy.op_type != "Reshape" or len(shaped) != 1:
            continue
        if shaped[0].op_type != "Reshape" or scatter.output[0] in outputs:
            continue
        forward, backward = NodeBuilder(f"{pool.output[0]}/fast"), NodeBuilder(f"{pool.output[0]}/fast_back")
        _build(forward, backward, pool.input[0], flat_dy.input[0])
        forward.nodes[-1].output[0] = pool.output[0]
        backward.nodes[-1].output[0] = shaped[0].output[0]
        replaced[pool.output[0]] = forward.nodes
        replaced[shaped[0].output[0]] = backward.nodes
        tensors += forward.tensors + backward.tensors
    kept = [new for node in nodes for new in replaced.get(node.output[0], [node])]
    return _needed(kept, outputs), tensors


def _is_plain(pool: onnx.NodeProto, shapes: Mapping[str, tuple[Dim, ...] | None]) -> bool:
    """Whether windows are 2 x 2 side by side, and cover maps of known, even size."""
    attrs = {a.name: helper.get_attribute_value(a) for a in pool.attribute}
    size = (shapes.get(pool.input[0]) or ())[2:]
    return (
        list(attrs.get("kernel_shape", [])) == _WINDOW
        and list(attrs.get("strides", [])) == _WINDOW
        and not any(attrs.get("pads") or [])
        and set(attrs.get("dilations") or [1]) == {1}
        and attrs.get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID")
        and not attrs.get("storage_order", 0)
        and len(size) == 2
        and all(isinstance(n, int) and n % 2 == 0 for n in size)
    )


def _scatter_of(
    pool: onnx.NodeProto, readers: Mapping[str, list[onnx.NodeProto]], outputs: set[str]
) -> onnx.NodeProto | None:
    """Return the node that adds the derivative at the places of a pool; None where others read them."""
    name = pool.output[1] if len(pool.output) > 1 else ""
    for operator in ("Reshape", "ScatterElements"):
        following = readers.get(name, [])
        if name in outputs or len(following) != 1 or following[0].op_type != operator:
            return None
        name = following[0].output[0]
    return following[0]


def _build(forward: NodeBuilder, backward: NodeBuilder, x: str, dy: str) -> None:
    """Build y from x [B, C, H, W] and dx from dy [B, C, H / 2, W / 2]; the last node of each makes it."""
    deep = forward.node("SpaceToDepth", x, blocksize=2)  # [B, 4 C, H / 2, W / 2]
    a, b, c, d = forward.split(deep, 4, axis=1)
    left, right = forward.node("Max", a, b), forward.node("Max", c, d)
    forward.node("Max", left, right)

    def part(above: str, below: str, share: str) -> tuple[str, str]:
        less = backward.node("Cast", backward.node("Less", above, below), to=onnx.TensorProto.FLOAT)
        second = backward.node("Mul", share, less)
        return backward.node("Sub", share, second), second

    to_left, to_right = part(left, right, dy)
    joined = backward.node("Concat", *part(a, b, to_left), *part(c, d, to_right), axis=1)
    backward.node("DepthToSpace", joined, blocksize=2)


def _needed(nodes: Sequence[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """Leave out what nothing reads any more."""
    read, kept = set(outputs), []
    for node in reversed(nodes):
        if any(name in read for name in node.output):
            kept.append(node)
            read |= set(node.input)
    return kept[::-1]
