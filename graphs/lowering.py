"""Rewrite a spliced graph into operators that ONNX Runtime's CPU provider runs fast; values stay the same.

Its ConvTranspose multiplies one image at a time and then scatters on one thread, while its convolution is
blocked and parallel. A transposed convolution with stride s is s^n ordinary convolutions of stride 1 (n
spatial axes), one for each position of the output modulo s: its phases. Their kernels are the taps of the
original one that meet the phase, so no product is wasted, and their outputs are interleaved. A batch norm and
a ReLU that follow move into the phases, where ONNX Runtime fuses them with the convolution.

Where the maps are small, and in the backward pass also strided convolutions are, both become matrix products
over gathered inputs instead (`graphs.gathered`).

cuDNN's own convolutions need none of this: leave graphs for the GPU as they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper, shape_inference

from graphs.gathered import axis_groups, gathered_convolution, used_share
from graphs.nodes import NodeBuilder
from graphs.pooled import fast_max_pools
from graphs.surgery import Dim, dims_of, metadata_of

KEY_LOWERED = "dowser.lowered"
"""Metadata key of graphs that went through here."""

MIN_CHANNELS = 16
"""Fewest channels that pay: blocked convolutions work on 8 or 16 channels at once."""

MAX_GATHERED_POSITIONS = 64
"""Largest output map made by gathered products."""

MAX_USED_SHARE = 0.9
"""Gathered products pay where at least a tenth of the products meet padding."""

MIN_GATHERED_TAPS = 16
"""Smallest kernel, as a number of taps, for gathered products."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One axis of one phase: the output positions offset, offset + stride, ... of a transposed convolution.

    Attributes:
        taps: Indices into the original kernel, in the order an ordinary convolution reads its input.
        before: Padding before the input.
        after: Padding after the input.
        size: Number of outputs.
    """

    taps: Sequence[int]
    before: int
    after: int
    size: int


def phase_of(offset: int, size_in: int, size_out: int, kernel: int, stride: int, pad: int) -> Phase | None:
    """Find the ordinary convolution that gives every stride-th output from `offset` on.

    Input i meets output o through tap a = o + pad - stride · i. With o = stride · q + offset and i = q - t,
    the taps are a = offset + pad + stride · t for all t that keep a inside the kernel.

    Returns:
        The phase, or None where it has no taps or would need negative padding.
    """
    lowest = -((offset + pad) // stride)
    highest = (kernel - 1 - offset - pad) // stride
    taps = [offset + pad + stride * t for t in range(highest, lowest - 1, -1)]
    size = -(-(size_out - offset) // stride)
    after = size - size_in - highest + len(taps) - 1
    if not taps or highest < 0 or after < 0 or size < 1:
        return None
    return Phase(taps=taps, before=highest, after=after, size=size)


@dataclass(frozen=True, kw_only=True)
class _Convolution:
    """A (transposed) convolution with what follows it folded in.

    Attributes:
        value: Name of the input.
        weight: float32 [k, k, C_in, C_out].
        bias: float32 [C_out], or None.
        stride: The same along both axes.
        pads: Padding before rows and before columns.
        size_in: Height and width of the input.
        size_out: Height and width of the output.
        transposed: Whether it is a transposed one.
        relu: Whether a ReLU follows.
    """

    value: str
    weight: Array
    bias: Array | None
    stride: int
    pads: Sequence[int]
    size_in: Sequence[int]
    size_out: Sequence[int]
    transposed: bool
    relu: bool


def lower_for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace the transposed and strided convolutions that pay.

    Args:
        model: A graph whose weights are constants; not changed.

    Returns:
        A graph with the same inputs, outputs and, up to rounding, the same values; one that was lowered before is
        returned as it is.
    """
    if KEY_LOWERED in metadata_of(model) or not any(
        node.op_type == "ConvTranspose" for node in model.graph.node
    ):
        return model
    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    graph = lowered.graph
    inferred = shape_inference.infer_shapes(model).graph
    shapes = {v.name: dims_of(v) for v in (*inferred.value_info, *inferred.input, *inferred.output)}
    outputs = {value.name for value in graph.output}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    replaced: dict[str, list[onnx.NodeProto]] = {}
    gone: set[str] = set()
    for node in graph.node:
        if node.op_type not in ("Conv", "ConvTranspose"):
            continue
        chain = _chain(node, readers, outputs)
        found = _understood(chain, stored, shapes)
        build = NodeBuilder(f"{chain[-1].output[0]}/fast")
        if found is not None and _rewritten(build, found) is not None:
            build.nodes[-1].output[0] = chain[-1].output[0]
            gone |= {part.output[0] for part in chain}
            replaced[node.output[0]] = build.nodes
            graph.initializer.extend(build.tensors)
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        kept.extend(replaced.get(node.output[0], []))
        if node.output[0] not in gone:
            kept.append(node)
    kept, added = fast_max_pools(kept, shapes, outputs)
    graph.initializer.extend(added)
    read = {name for node in kept for name in node.input} | outputs
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(tensors)
    lowered.metadata_props.add(key=KEY_LOWERED, value="cpu")
    return lowered


def _chain(
    node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]], outputs: set[str]
) -> list[onnx.NodeProto]:
    """Return a convolution and the batch norm and ReLU that alone read its output."""
    chain = [node]
    for operator in ("BatchNormalization", "Relu"):
        name = chain[-1].output[0]
        following = readers.get(name, [])
        if len(following) == 1 and following[0].op_type == operator and name not in outputs:
            chain.append(following[0])
    return chain


def _understood(
    chain: Sequence[onnx.NodeProto],
    stored: dict[str, onnx.TensorProto],
    shapes: dict[str, tuple[Dim, ...] | None],
) -> _Convolution | None:
    """Read a chain, or return None where it has another form than the rewrites cover."""
    node = chain[0]
    attrs = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    folded = _folded(chain, stored)
    strides, dilations = attrs.get("strides") or [1, 1], attrs.get("dilations") or [1, 1]
    if folded is None or attrs.get("group", 1) != 1 or attrs.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    if len(set(strides)) != 1 or strides[0] < 2 or set(dilations) != {1}:
        return None
    size_in, size_out = (
        [d for d in (shapes.get(name) or ())[2:] if isinstance(d, int)]
        for name in (node.input[0], node.output[0])
    )
    if len(size_in) != 2 or len(size_out) != 2:
        return None
    return _Convolution(
        value=node.input[0],
        weight=folded[0],
        bias=folded[1],
        stride=strides[0],
        pads=list(attrs.get("pads") or [0, 0])[:2],
        size_in=size_in,
        size_out=size_out,
        transposed=node.op_type == "ConvTranspose",
        relu=chain[-1].op_type == "Relu",
    )


def _folded(
    chain: Sequence[onnx.NodeProto], stored: dict[str, onnx.TensorProto]
) -> tuple[Array, Array | None] | None:
    """Return kernel [k, k, C_in, C_out] and bias [C_out] with the batch norm that follows folded in."""
    norm = next((node for node in chain if node.op_type == "BatchNormalization"), None)
    names = [*chain[0].input[1:], *(norm.input[1:5] if norm else [])]
    if not all(name in stored for name in names):
        return None
    weight, *rest = (numpy_helper.to_array(stored[name]).astype(np.float64) for name in names)
    if weight.ndim != 4:
        return None
    weight = (
        weight.transpose(2, 3, 0, 1) if chain[0].op_type == "ConvTranspose" else weight.transpose(2, 3, 1, 0)
    )
    bias = rest.pop(0) if len(chain[0].input) > 2 else None
    if norm is not None:
        scale, shift, mean, var = rest
        epsilon = next((a.f for a in norm.attribute if a.name == "epsilon"), 1e-5)
        factor = scale / np.sqrt(var + epsilon)
        weight = weight * factor
        bias = ((0.0 if bias is None else bias) - mean) * factor + shift
    return weight.astype(np.float32), None if bias is None else bias.astype(np.float32)


def _rewritten(build: NodeBuilder, found: _Convolution) -> str | None:
    """Build the faster form; None where there is none. Only a successful rewrite's nodes are used."""
    kernel = found.weight.shape[:2]
    if min(found.weight.shape[2:]) < MIN_CHANNELS:
        return None
    axes = [
        axis_groups(
            found.size_in[i],
            found.size_out[i],
            kernel[i],
            found.stride,
            found.pads[i],
            transposed=found.transposed,
        )
        for i in range(2)
    ]
    share = used_share(axes, kernel, found.stride, transposed=found.transposed)
    large_kernel = kernel[0] * kernel[1] >= MIN_GATHERED_TAPS
    small_map = found.size_out[0] * found.size_out[1] <= MAX_GATHERED_POSITIONS
    if large_kernel and small_map and share <= MAX_USED_SHARE:
        sizes = (found.size_in, found.size_out)
        return gathered_convolution(
            build, found.value, found.weight, found.bias, axes, *sizes, relu=found.relu
        )
    return _interleaved(build, found) if found.transposed else None


def _interleaved(build: NodeBuilder, found: _Convolution) -> str | None:
    """Build the phases of a transposed convolution and interleave them."""
    stride = found.stride
    axes = [
        [
            phase_of(r, found.size_in[i], found.size_out[i], found.weight.shape[i], stride, found.pads[i])
            for r in range(stride)
        ]
        for i in range(2)
    ]
    block = [-(-size // stride) for size in found.size_out]
    bias = [build.tensor("bias", found.bias)] if found.bias is not None else []
    parts = []
    for rows, columns in itertools.product(axes[0], axes[1]):
        if rows is None or columns is None:
            return None
        taps = found.weight[list(rows.taps)][:, list(columns.taps)].transpose(3, 2, 0, 1)
        part = build.node(
            "Conv",
            found.value,
            build.tensor("weight", taps),
            *bias,
            kernel_shape=taps.shape[2:],
            pads=[rows.before, columns.before, rows.after, columns.after],
        )
        part = build.node("Relu", part) if found.relu else part
        missing = [block[0] - rows.size, block[1] - columns.size]
        if any(missing):
            part = build.node("Pad", part, build.ints(0, 0, 0, 0, 0, 0, *missing))
        parts.append(part)
    joined = build.node("Concat", *parts, axis=1)  # [B, s * s * C_out, H / s, W / s]
    whole = build.node("DepthToSpace", joined, blocksize=stride)  # [B, C_out, H, W], rounded up to s
    if [stride * size for size in block] != list(found.size_out):
        whole = build.node("Slice", whole, build.ints(0, 0), build.ints(*found.size_out), build.ints(2, 3))
    return whole
