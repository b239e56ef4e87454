"""Derivatives of reductions and of the softmax family."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphs.autodiff.tape import Node, Tape, only, rule, unsupported


def _axes(t: Tape, node: Node) -> list[int]:
    """Return the reduced axes, from the attribute or (opset 18 on) from the second input."""
    rank = len(t.shape(node.inputs[0], node.op))
    axes = node.attrs.get("axes")
    if axes is None and node.input(1):
        axes = t.constant(node.input(1), node.op).reshape(-1).tolist()
    if not axes:
        return [] if node.attrs.get("noop_with_empty_axes", 0) else list(range(rank))
    return sorted(axis % rank for axis in axes)


def _keep(t: Tape, node: Node, value: str, axes: Sequence[int]) -> str:
    """Give a reduced value its axes of length 1 back."""
    if node.attrs.get("keepdims", 1) or not axes:
        return value
    return t.op("Unsqueeze", value, t.ints(*axes))


@rule("ReduceSum")
def reduce_sum(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Every summand gets the cotangent."""
    axes = _axes(t, node)
    return (t.expand_like(_keep(t, node, only(cotangents, node), axes), node.inputs[0]),)


@rule("ReduceMean", "GlobalAveragePool")
def reduce_mean(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Every element gets its share of the cotangent."""
    x, dims = node.inputs[0], t.shape(node.inputs[0], node.op)
    axes = list(range(2, len(dims))) if node.op == "GlobalAveragePool" else _axes(t, node)
    sizes = [dims[axis] for axis in axes]
    if not all(isinstance(size, int) for size in sizes):
        raise unsupported(node.op, f"it averages over a dynamic dimension: {sizes}")
    count = int(np.prod([size for size in sizes if isinstance(size, int)]))
    share = t.op("Mul", _keep(t, node, only(cotangents, node), axes), t.const(1 / count))
    return (t.expand_like(share, x),)


@rule("ReduceMax", "ReduceMin", "GlobalMaxPool")
def reduce_extremum(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """The extreme elements share the cotangent evenly, as in torch.amax."""
    x, rank = node.inputs[0], len(t.shape(node.inputs[0], node.op))
    axes = list(range(2, rank)) if node.op == "GlobalMaxPool" else _axes(t, node)
    best = _keep(t, node, node.outputs[0], axes)
    mask = t.op("Cast", t.op("Equal", x, best), to=1)
    ties = t.op("ReduceSum", mask, t.ints(*axes), keepdims=1)
    return (t.op("Mul", mask, t.op("Div", _keep(t, node, only(cotangents, node), axes), ties)),)


@rule("ReduceL2")
def reduce_l2(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """X / |x|; the derivative at the zero vector does not exist and comes out as NaN there."""
    axes = _axes(t, node)
    norm = _keep(t, node, node.outputs[0], axes)
    scaled = t.op("Div", _keep(t, node, only(cotangents, node), axes), norm)
    return (t.op("Mul", node.inputs[0], scaled),)


@rule("ReduceLogSumExp")
def reduce_logsumexp(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """The softmax over the reduced axes."""
    axes, x = _axes(t, node), node.inputs[0]
    soft = t.op("Exp", t.op("Sub", x, _keep(t, node, node.outputs[0], axes)))
    return (t.op("Mul", soft, _keep(t, node, only(cotangents, node), axes)),)


@rule("Softmax")
def softmax(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """(dy - <dy, y>) y along the axis."""
    dy, y = only(cotangents, node), node.outputs[0]
    inner = t.op("ReduceSum", t.op("Mul", dy, y), t.ints(node.attrs.get("axis", -1)), keepdims=1)
    return (t.op("Mul", t.op("Sub", dy, inner), y),)


@rule("LogSoftmax")
def log_softmax(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Dy - e^y sum(dy) along the axis."""
    dy, y = only(cotangents, node), node.outputs[0]
    total = t.op("ReduceSum", dy, t.ints(node.attrs.get("axis", -1)), keepdims=1)
    return (t.op("Sub", dy, t.op("Mul", t.op("Exp", y), total)),)
