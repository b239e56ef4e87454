"""Derivatives of the linear operators: matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from graphs.autodiff.tape import Node, Tape, only, rule, unsupported


@rule("MatMul")
def matmul(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """For A @ B: dA = dY @ Bᵀ and dB = Aᵀ @ dY, summed over broadcast batch axes."""
    dy, (a, b), y = only(cotangents, node), node.inputs, node.outputs[0]
    rank_a, rank_b = len(t.shape(a, "MatMul")), len(t.shape(b, "MatMul"))
    if rank_a < 2 or rank_b < 2:
        raise unsupported("MatMul", f"its operands have ranks {rank_a} and {rank_b}, both must be at least 2")
    da = db = None
    if node.needs[0]:
        da = t.op("MatMul", dy, _swap_last(t, b, rank_b))
        da = _sum_batch(t, da, a, y)
    if node.needs[1]:
        db = t.op("MatMul", _swap_last(t, a, rank_a), dy)
        db = _sum_batch(t, db, b, y)
    return da, db


def _swap_last(t: Tape, value: str, rank: int) -> str:
    return t.op("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])


def _sum_batch(t: Tape, grad: str, source: str, result: str) -> str:
    """Sum over the batch axes of a matrix product along which `source` was broadcast."""
    small, big = t.shape(source, "MatMul"), t.shape(result, "MatMul")
    lead = len(big) - len(small)
    if lead:
        grad = t.op("ReduceSum", grad, t.ints(*range(lead)), keepdims=0)
    axes = [i for i, dim in enumerate(small[:-2]) if dim == 1 and big[lead + i] != 1]
    return t.op("ReduceSum", grad, t.ints(*axes), keepdims=1) if axes else grad


@rule("Gemm")
def gemm(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """For alpha A' B' + beta C, where ' is an optional transposition."""
    dy, a, b = only(cotangents, node), node.inputs[0], node.inputs[1]
    alpha, beta = node.attrs.get("alpha", 1.0), node.attrs.get("beta", 1.0)
    trans_a, trans_b = node.attrs.get("transA", 0), node.attrs.get("transB", 0)
    da = db = dc = None
    if node.needs[0]:
        if trans_a:
            da = t.op("Gemm", b, dy, alpha=alpha, transA=trans_b, transB=1)
        else:
            da = t.op("Gemm", dy, b, alpha=alpha, transB=0 if trans_b else 1)
    if node.needs[1]:
        if trans_b:
            db = t.op("Gemm", dy, a, alpha=alpha, transA=1, transB=trans_a)
        else:
            db = t.op("Gemm", a, dy, alpha=alpha, transA=0 if trans_a else 1)
    if len(node.inputs) > 2 and node.needs[2]:
        scaled = dy if beta == 1.0 else t.op("Mul", dy, t.const(beta))
        dc = t.unbroadcast(scaled, node.inputs[2], node.outputs[0], "Gemm")
    return da, db, dc


@rule("Conv")
def conv(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """The gradient by the input of a convolution is a transposed convolution with the same kernel."""
    dy, x = only(cotangents, node), node.inputs[0]
    if any(node.needs[1:]):
        raise unsupported("Conv", "its kernel depends on the input")
    kernel, stride, dilation, pads = _geometry(t, node)
    size = t.sizes(x, "Conv", start=2)
    # What the forward division by the stride rounded away must be added back at the end of each axis.
    rest = [
        (n + pads[i] + pads[i + len(size)] - dilation[i] * (kernel[i] - 1) - 1) % stride[i]
        for i, n in enumerate(size)
    ]
    dx = t.op(
        "ConvTranspose",
        dy,
        node.inputs[1],
        kernel_shape=kernel,
        strides=stride,
        dilations=dilation,
        pads=pads,
        output_padding=rest,
        group=node.attrs.get("group", 1),
    )
    return (dx,)


@rule("ConvTranspose")
def conv_transpose(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """The gradient by the input of a transposed convolution is a convolution with the same kernel."""
    dy, x = only(cotangents, node), node.inputs[0]
    if any(node.needs[1:]):
        raise unsupported("ConvTranspose", "its kernel depends on the input")
    if node.attrs.get("output_shape"):
        raise unsupported("ConvTranspose", "it gives output_shape, not pads")
    kernel, stride, dilation, pads = _geometry(t, node)
    size = t.sizes(x, "ConvTranspose", start=2)
    dx = t.op(
        "Conv",
        dy,
        node.inputs[1],
        kernel_shape=kernel,
        strides=stride,
        dilations=dilation,
        pads=pads,
        group=node.attrs.get("group", 1),
    )
    extra = node.attrs.get("output_padding") or [0] * len(size)
    if any(e >= s for e, s in zip(extra, stride, strict=True)):  # then the convolution runs past the input
        axes = range(2, 2 + len(size))
        dx = t.op("Slice", dx, t.ints(*[0] * len(size)), t.ints(*size), t.ints(*axes))
    return (dx,)


def _geometry(t: Tape, node: Node) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return kernel, strides, dilations and pads, with their defaults filled in."""
    if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise unsupported(node.op, f"auto_pad={node.attrs['auto_pad']} is not covered, give explicit pads")
    kernel = list(t.sizes(node.inputs[1], node.op, start=2))
    rank = len(kernel)
    return (
        kernel,
        list(node.attrs.get("strides") or [1] * rank),
        list(node.attrs.get("dilations") or [1] * rank),
        list(node.attrs.get("pads") or [0] * (2 * rank)),
    )
