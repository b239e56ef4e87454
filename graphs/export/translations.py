"""Our own ONNX translations of torch operators, where torch's is clumsy (adaptive pooling to odd sizes)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnxscript import opset20 as op


def adaptive_matrix(size_in: int, size_out: int) -> npt.NDArray[np.float32]:
    """Return the averaging matrix of adaptive pooling along one axis: float32 [size_in, size_out].

    Window i covers floor(i · in / out) up to ceil((i + 1) · in / out), as torch defines it.
    """
    matrix = np.zeros((size_in, size_out), np.float32)
    for i in range(size_out):
        start, end = i * size_in // size_out, -(-(i + 1) * size_in // size_out)
        matrix[start:end, i] = 1 / (end - start)
    return matrix


def adaptive_avg_pool2d(x: Any, output_size: Sequence[int]) -> Any:
    """Pool [B, C, H, W]: one AveragePool where sizes divide, else a matrix product per axis."""
    sizes = [int(x.shape[2]), int(x.shape[3])]
    kernel = [n // m for n, m in zip(sizes, output_size, strict=True)]
    if all(n % m == 0 for n, m in zip(sizes, output_size, strict=True)):
        if all(m == 1 for m in output_size):
            return op.GlobalAveragePool(x)
        return op.AveragePool(x, kernel_shape=kernel, strides=kernel)
    rows, columns = (adaptive_matrix(n, m) for n, m in zip(sizes, output_size, strict=True))
    pooled = op.MatMul(x, op.Constant(value=_tensor(columns)))
    return op.MatMul(op.Constant(value=_tensor(np.ascontiguousarray(rows.T))), pooled)


def _tensor(array: npt.NDArray[np.float32]) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(array)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    torch.ops.aten._adaptive_avg_pool2d.default: adaptive_avg_pool2d,
    torch.ops.aten.adaptive_avg_pool2d.default: adaptive_avg_pool2d,
}
