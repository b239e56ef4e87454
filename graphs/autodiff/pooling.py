"""Derivatives of pooling and of resampling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from graphs.autodiff.shaping import apply_along
from graphs.autodiff.tape import Array, Node, Tape, only, rule, unsupported


@rule("MaxPool")
def max_pool(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Add each cotangent to the element its window picked: the first of equal ones, as in torch.

    MaxPool's second output holds these places as indices into the whole flattened input.
    """
    dy, x = only(cotangents, node), node.inputs[0]
    if node.attrs.get("storage_order", 0):
        raise unsupported("MaxPool", "its indices are in column order")
    places = t.op("Reshape", t.extra_output(node, 1, "max_places"), t.ints(-1))
    zeros = t.op("Reshape", t.zeros_like(x), t.ints(-1))
    flat = t.op("ScatterElements", zeros, places, t.op("Reshape", dy, t.ints(-1)), axis=0, reduction="add")
    return (t.reshape_like(flat, x),)


@rule("AveragePool")
def average_pool(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Spread each cotangent evenly over its window.

    Pooling is linear and separable (the number of elements a window counts is a product over the axes), so a
    constant matrix [size_in, size_out] per axis holds it, and the cotangent is multiplied by its transpose.
    """
    return (_apply_matrices(t, node, only(cotangents, node)),)


@rule("Resize")
def resize(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Multiply by the transpose of the (nearest or linear) resampling matrix of each axis, as for pooling."""
    if node.attrs.get("mode", "nearest") not in ("nearest", "linear"):
        raise unsupported("Resize", f"mode {node.attrs['mode']!r} is not covered")
    if node.attrs.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise unsupported("Resize", "tf_crop_and_resize is not covered")
    return (_apply_matrices(t, node, only(cotangents, node)),)


def _apply_matrices(t: Tape, node: Node, dy: str) -> str:
    x, y = node.inputs[0], node.outputs[0]
    size_in, size_out = t.sizes(x, node.op, start=2), t.sizes(y, node.op, start=2)
    rank = 2 + len(size_in)
    for i, (n, m) in reversed(list(enumerate(zip(size_in, size_out, strict=True)))):
        matrix = (
            _pool_matrix(node, i, n)
            if node.op == "AveragePool"
            else _resize_matrix(t, node, i - len(size_in), n, m)
        )
        if matrix.shape[0] != n or matrix.shape[1] != m:
            raise unsupported(node.op, f"axis {i + 2} goes from {n} to {m}, the rule finds {matrix.shape}")
        if not (n == m and (matrix == np.eye(n)).all()):
            dy = apply_along(t, dy, matrix.T.copy(), 2 + i, rank)
    return dy


def _pool_matrix(node: Node, axis: int, size: int) -> Array:
    """Return the averaging matrix of the node's window along one axis: float32 [size_in, size_out]."""
    count = len(node.attrs["kernel_shape"])
    if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise unsupported("AveragePool", f"auto_pad={node.attrs['auto_pad']} is not covered")
    kernel = node.attrs["kernel_shape"][axis]
    stride = (node.attrs.get("strides") or [1] * count)[axis]
    dilation = (node.attrs.get("dilations") or [1] * count)[axis]
    pads = node.attrs.get("pads") or [0] * (2 * count)
    before, after = pads[axis], pads[axis + count]
    span = dilation * (kernel - 1) + 1
    room = size + before + after - span
    windows = (-(-room // stride) if node.attrs.get("ceil_mode", 0) else room // stride) + 1
    if (
        windows - 1
    ) * stride >= size + before:  # a window that starts in the padding after the end is dropped
        windows -= 1
    matrix = np.zeros((size, windows), np.float32)
    for window in range(windows):
        places = window * stride - before + dilation * np.arange(kernel)
        inside = places[(places >= 0) & (places < size)]
        counted = (places < size + after).sum() if node.attrs.get("count_include_pad", 0) else len(inside)
        matrix[inside, window] = 1 / counted
    return matrix


def _resize_matrix(t: Tape, node: Node, axis: int, size_in: int, size_out: int) -> Array:
    """Resize the identity along one axis (counted from the end): float32 [size_in, size_out]."""
    from onnx.reference import ReferenceEvaluator  # a fifth of what importing `graphs` would cost

    if node.input(1):
        raise unsupported("Resize", "it has a region of interest")
    attrs = {k: v for k, v in node.attrs.items() if k not in ("axes", "keep_aspect_ratio_policy")}
    inputs = ["x", "", "scales"] if node.input(2) else ["x", "", "", "sizes"]
    feeds: dict[str, Array] = {"x": np.eye(size_in, dtype=np.float32)[:, None]}  # [size_in, 1, size_in]
    if node.input(2):
        scales = t.constant(node.input(2), "Resize")
        feeds["scales"] = np.array([1, 1, scales[axis]], np.float32)
    else:
        feeds["sizes"] = np.array([size_in, 1, size_out], np.int64)
    described = [
        helper.make_tensor_value_info(
            name, onnx.TensorProto.INT64 if name == "sizes" else onnx.TensorProto.FLOAT, list(value.shape)
        )
        for name, value in feeds.items()
    ]
    graph = helper.make_graph(
        [helper.make_node("Resize", inputs, ["y"], **attrs)],
        "resize",
        described,
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    (resized,) = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(resized, np.float32)[:, 0]
