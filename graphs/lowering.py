"""Rewrite a spliced graph into operators that ONNX Runtime's CPU provider runs fast; values stay the same.

Its ConvTranspose multiplies one image at a time and then scatters on one thread, while its convolution is blocked and
parallel. A transposed convolution with stride s is s^n ordinary convolutions of stride 1 (n spatial axes), one for
each position of the output modulo s: its phases. Their kernels are the taps of the original one that meet the phase,
so no product is wasted, and their outputs are interleaved. A batch norm and a ReLU that follow move into the phases,
where ONNX Runtime fuses them with the convolution.

cuDNN's own transposed convolution needs none of this: leave graphs for the GPU as they are.
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

from graphs.surgery import dims_of

MIN_CHANNELS = 16
"""Fewest output channels that pay: blocked convolutions work on 8 or 16 channels at once."""

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

    Input i meets output o through tap a = o + pad - stride · i. With o = stride · q + offset and i = q - t, the taps
    are a = offset + pad + stride · t for all t that keep a inside the kernel.

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


def lower_for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace the transposed convolutions that pay by interleaved ordinary ones.

    Args:
        model: A graph whose weights are constants; not changed.

    Returns:
        A graph with the same inputs, outputs and, up to rounding, the same values.
    """
    if not any(node.op_type == "ConvTranspose" for node in model.graph.node):
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
        if node.op_type != "ConvTranspose":
            continue
        chain = _chain(node, readers, outputs)
        shape_in, shape_out = shapes.get(node.input[0]), shapes.get(node.output[0])
        nodes = _interleaved(chain, stored, shape_in, shape_out, graph) if shape_in and shape_out else None
        if nodes:
            gone |= {part.output[0] for part in chain}
            replaced[chain[0].output[0]] = nodes
    kept: list[onnx.NodeProto] = []
    for node in graph.node:
        kept.extend(replaced.get(node.output[0], []))
        if node.output[0] not in gone:
            kept.append(node)
    read = {name for node in kept for name in node.input} | outputs
    tensors = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(tensors)
    return lowered


def _chain(
    node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]], outputs: set[str]
) -> list[onnx.NodeProto]:
    """Return a transposed convolution with the batch norm and the ReLU that alone read what comes before them."""
    chain = [node]
    for operator in ("BatchNormalization", "Relu"):
        name = chain[-1].output[0]
        following = readers.get(name, [])
        if len(following) == 1 and following[0].op_type == operator and name not in outputs:
            chain.append(following[0])
    return chain


def _interleaved(
    chain: Sequence[onnx.NodeProto],
    stored: dict[str, onnx.TensorProto],
    shape_in: Sequence[object],
    shape_out: Sequence[object],
    graph: onnx.GraphProto,
) -> list[onnx.NodeProto] | None:
    """Build the phases of a chain, or return None where it is not worth it or not covered."""
    node, name = chain[0], chain[-1].output[0]
    attrs = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    folded = _folded(chain, stored)
    if folded is None or attrs.get("group", 1) != 1 or attrs.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None
    weight, bias = folded  # [Cin, Cout, k, k], [Cout]
    rank = weight.ndim - 2
    strides = list(attrs.get("strides") or [1] * rank)
    pads = attrs.get("pads") or [0] * (2 * rank)
    sizes_in, sizes_out = ([d for d in dims[2:] if isinstance(d, int)] for dims in (shape_in, shape_out))
    known = len(sizes_in) == len(sizes_out) == rank == 2
    square = len(set(strides)) == 1 and strides[0] > 1 and set(attrs.get("dilations") or [1]) == {1}
    if not known or not square or weight.shape[1] < MIN_CHANNELS:
        return None
    stride = strides[0]
    axes = [
        [phase_of(r, sizes_in[i], sizes_out[i], weight.shape[2 + i], stride, pads[i]) for r in range(stride)]
        for i in range(rank)
    ]
    if any(phase is None for axis in axes for phase in axis):
        return None
    block = [-(-size // stride) for size in sizes_out]
    build = _Builder(graph, f"{name}/phase")
    bias_name = build.tensor("bias", bias)
    relu = chain[-1].op_type == "Relu"
    parts = []
    for rows, columns in itertools.product(axes[0], axes[1]):
        if rows is None or columns is None:
            return None
        taps = weight[:, :, list(rows.taps)][:, :, :, list(columns.taps)].transpose(1, 0, 2, 3)
        part = build.node(
            "Conv",
            node.input[0],
            build.tensor("weight", taps),
            bias_name,
            kernel_shape=taps.shape[2:],
            pads=[rows.before, columns.before, rows.after, columns.after],
        )
        part = build.node("Relu", part) if relu else part
        missing = [0, 0, 0, 0, 0, 0, block[0] - rows.size, block[1] - columns.size]
        parts.append(build.node("Pad", part, build.tensor("pads", np.array(missing))) if any(missing) else part)
    joined = build.node("Concat", *parts, axis=1)  # [B, s * s * Cout, H / s, W / s]
    whole = build.node("DepthToSpace", joined, blocksize=stride)  # [B, Cout, H, W], rounded up to s
    if [stride * size for size in block] != sizes_out:
        ends = (build.tensor(hint, np.array(v)) for hint, v in (("start", [0, 0]), ("end", sizes_out), ("axes", [2, 3])))
        build.node("Slice", whole, *ends)
    build.nodes[-1].output[0] = name
    return build.nodes


def _folded(
    chain: Sequence[onnx.NodeProto], stored: dict[str, onnx.TensorProto]
) -> tuple[Array, Array] | None:
    """Return kernel and bias of a transposed convolution with the batch norm that follows folded into them."""
    names = [*chain[0].input[1:], *(chain[1].input[1:] if chain[1:] and chain[1].op_type != "Relu" else [])]
    if not all(name in stored for name in names):
        return None
    weight = numpy_helper.to_array(stored[chain[0].input[1]]).astype(np.float32)
    bias = np.zeros(weight.shape[1], np.float32)
    if len(chain[0].input) > 2:
        bias = numpy_helper.to_array(stored[chain[0].input[2]]).astype(np.float32)
    if chain[1:] and chain[1].op_type == "BatchNormalization":
        scale, shift, mean, var = (
            numpy_helper.to_array(stored[name]).astype(np.float64) for name in chain[1].input[1:5]
        )
        epsilon = next((a.f for a in chain[1].attribute if a.name == "epsilon"), 1e-5)
        factor = scale / np.sqrt(var + epsilon)
        weight = (weight * factor[None, :, None, None]).astype(np.float32) if weight.ndim == 4 else weight
        bias = ((bias - mean) * factor + shift).astype(np.float32)
    return weight, bias


class _Builder:
    """Collects nodes and adds their constants to a graph, all under one name prefix."""

    def __init__(self, graph: onnx.GraphProto, prefix: str) -> None:
        self.graph = graph
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self._count = 0

    def tensor(self, hint: str, array: Array) -> str:
        """Store a constant and return its name."""
        self._count += 1
        name = f"{self.prefix}/{hint}{self._count}"
        self.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator: str, *inputs: str, **attrs: Any) -> str:
        """Append a node and return its output's name."""
        self._count += 1
        name = f"{self.prefix}/{operator.lower()}{self._count}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attrs))
        return name
