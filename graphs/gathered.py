"""Convolutions over small maps as products of gathered inputs, without the products that meet padding.

On a 4 x 4 map a third of the taps of a 5 x 5 kernel with stride 2 fall on padding, and blocked convolutions
are at their worst there. Output positions that use the same taps form a group; each group is one product of
gathered inputs [B · positions, taps · C_in] with the kernel's rows for these taps. Measured on one core, 50
samples, 128 channels of 7 x 7 to 256 of 4 x 4: 5.9 ms against 11.9 ms of ONNX Runtime's convolution.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from graphs.nodes import NodeBuilder

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Output positions of one axis that use the same taps.

    Attributes:
        taps: Indices into the kernel.
        outputs: Output positions.
        inputs: For each output position, the input position each tap meets.
    """

    taps: tuple[int, ...]
    outputs: list[int]
    inputs: list[list[int]]


def axis_groups(
    size_in: int, size_out: int, kernel: int, stride: int, pad: int, *, transposed: bool
) -> list[Group]:
    """Group the output positions of one axis by the taps that meet the input.

    Output o meets input i through tap a where i = stride · o - pad + a in a convolution, and
    o = stride · i - pad + a in a transposed one.
    """
    groups: dict[tuple[int, ...], Group] = {}
    for out in range(size_out):
        met = []
        for tap in range(kernel):
            place, rest = divmod(out + pad - tap, stride) if transposed else (stride * out - pad + tap, 0)
            if rest == 0 and 0 <= place < size_in:
                met.append((tap, place))
        taps = tuple(tap for tap, _ in met)
        group = groups.setdefault(taps, Group(taps=taps, outputs=[], inputs=[]))
        group.outputs.append(out)
        group.inputs.append([place for _, place in met])
    return list(groups.values())


def used_share(
    axes: Sequence[Sequence[Group]], kernel: Sequence[int], stride: int, *, transposed: bool
) -> float:
    """Return the share of a convolution's products that do not meet padding."""
    shares = []
    for groups, size in zip(axes, kernel, strict=True):
        outputs = sum(len(group.outputs) for group in groups)
        used = sum(len(group.outputs) * len(group.taps) for group in groups)
        shares.append(used / (outputs * size / (stride if transposed else 1)))
    return prod(shares)


def gathered_convolution(
    build: NodeBuilder,
    value: str,
    weight: Array,
    bias: Array | None,
    axes: Sequence[Sequence[Group]],
    size_in: Sequence[int],
    size_out: Sequence[int],
    *,
    relu: bool,
) -> str | None:
    """Append the nodes of a convolution or transposed convolution, with bias and ReLU.

    Args:
        build: Takes the nodes and constants.
        value: Name of the input [B, C_in, H_in, W_in].
        weight: float32 [k, k, C_in, C_out].
        bias: float32 [C_out], or None.
        axes: Groups of rows and of columns.
        size_in: Height and width of the input.
        size_out: Height and width of the output.
        relu: Whether a ReLU follows.

    Returns:
        Name of the output [B, C_out, H_out, W_out], or None if some output meets no input at all.
    """
    channels_in, channels_out = weight.shape[2:]
    if any(not group.taps for groups in axes for group in groups):
        return None
    flat = build.node("Reshape", value, build.ints(-1, channels_in, prod(size_in)))
    rows = build.node("Transpose", flat, perm=[0, 2, 1])  # [B, H_in * W_in, C_in]
    bias_name = [build.tensor("bias", bias)] if bias is not None else []
    parts, order = [], []
    for down, across in itertools.product(*axes):
        places = [
            i * size_in[1] + j
            for in_rows, in_columns in itertools.product(down.inputs, across.inputs)
            for i, j in itertools.product(in_rows, in_columns)
        ]
        order += [i * size_out[1] + j for i, j in itertools.product(down.outputs, across.outputs)]
        taps = weight[list(down.taps)][:, list(across.taps)].reshape(-1, channels_out)
        taken = build.node("Gather", rows, build.tensor("places", np.array(places)), axis=1)
        matrix = build.node("Reshape", taken, build.ints(-1, len(taps)))  # [B * positions, taps * C_in]
        made = build.node("Gemm", matrix, build.tensor("weight", taps), *bias_name)
        made = build.node("Relu", made) if relu else made
        count = len(down.outputs) * len(across.outputs)
        parts.append(build.node("Reshape", made, build.ints(-1, count, channels_out)))
    joined = build.node("Concat", *parts, axis=1) if len(parts) > 1 else parts[0]
    if order != sorted(order):
        joined = build.node("Gather", joined, build.tensor("order", np.argsort(order)), axis=1)
    turned = build.node("Transpose", joined, perm=[0, 2, 1])  # [B, C_out, H_out * W_out]
    return build.node("Reshape", turned, build.ints(-1, channels_out, *size_out))
