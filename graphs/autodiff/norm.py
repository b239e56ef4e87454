"""Derivatives of normalization layers (batch normalization with its running statistics, as in eval mode)."""

from __future__ import annotations

from collections.abc import Sequence

from graphs.autodiff.tape import Node, Tape, only, rule, unsupported


@rule("BatchNormalization")
def batch_norm(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Dy · scale / sqrt(var + eps); the factor has only constant inputs, so ONNX Runtime folds it at load."""
    dy = only(cotangents, node)
    if node.attrs.get("training_mode", 0):
        raise unsupported("BatchNormalization", "it is in training mode, export the module in eval mode")
    scale, var = node.inputs[1], node.inputs[4]
    rank = len(t.shape(node.inputs[0], "BatchNormalization"))
    deviation = t.op("Sqrt", t.op("Add", var, t.const(node.attrs.get("epsilon", 1e-5))))
    factor = t.op("Div", scale, deviation)  # [C]
    if rank > 2:
        factor = t.op("Reshape", factor, t.ints(-1, *[1] * (rank - 2)))  # [C, 1, 1]
    return (t.op("Mul", dy, factor),)


def _normalized(t: Tape, g: str, centered: str, inverse: str, axes: Sequence[int]) -> str:
    """Pull g back through (x - mean) / sqrt(var + eps).

    With x̂ = (x - mean) · inverse: dx = inverse · (g - mean(g) - x̂ · mean(g · x̂)), means over `axes`.
    """
    where = t.ints(*axes)
    xhat = t.op("Mul", centered, inverse)
    mean_g = t.op("ReduceMean", g, where, keepdims=1)
    mean_gx = t.op("ReduceMean", t.op("Mul", g, xhat), where, keepdims=1)
    inner = t.op("Sub", t.op("Sub", g, mean_g), t.op("Mul", xhat, mean_gx))
    return t.op("Mul", inner, inverse)


@rule("LayerNormalization")
def layer_norm(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Normalize over the last axes; mean and inverse deviation come from the node's own optional outputs."""
    dy, x, scale = only(cotangents, node), node.inputs[0], node.inputs[1]
    if any(node.needs[1:]):
        raise unsupported("LayerNormalization", "its scale depends on the input")
    rank = len(t.shape(x, "LayerNormalization"))
    axis = node.attrs.get("axis", -1) % rank
    mean = t.extra_output(node, 1, "ln_mean")
    inverse = t.extra_output(node, 2, "ln_inverse")
    return (_normalized(t, t.op("Mul", dy, scale), t.op("Sub", x, mean), inverse, range(axis, rank)),)


@rule("InstanceNormalization")
def instance_norm(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """Normalize each channel over its positions; also how GroupNorm is exported (one group = one channel)."""
    dy, (x, scale, _) = only(cotangents, node), node.inputs
    if any(node.needs[1:]):
        raise unsupported("InstanceNormalization", "its scale depends on the input")
    rank = len(t.shape(x, "InstanceNormalization"))
    axes = range(2, rank)
    centered = t.op("Sub", x, t.op("ReduceMean", x, t.ints(*axes), keepdims=1))
    var = t.op("ReduceMean", t.op("Mul", centered, centered), t.ints(*axes), keepdims=1)
    deviation = t.op("Sqrt", t.op("Add", var, t.const(node.attrs.get("epsilon", 1e-5))))
    factor = t.op("Reshape", scale, t.ints(-1, *[1] * (rank - 2)))  # [C, 1, 1]
    return (_normalized(t, t.op("Mul", dy, factor), centered, t.op("Reciprocal", deviation), axes),)
