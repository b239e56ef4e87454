"""Weights that have decayed to denormal numbers, set to zero: a CPU multiplies them many times slower."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import numpy_helper

_SMALLEST = np.finfo(np.float32).tiny


def without_denormals(model: onnx.ModelProto) -> onnx.ModelProto:
    """Set the float32 constants below 1.2e-38 in size to zero, where a graph has any.

    Weight decay takes the weights of units that are never active there. What they add to a sum is less than float32 can
    tell beside anything but denormals.

    Args:
        model: A graph that holds its weights itself; not changed.

    Returns:
        The graph itself where it has none.
    """
    if not any(_has_denormals(tensor) for tensor in _constants(model.graph)):
        return model
    flushed = onnx.ModelProto()
    flushed.CopyFrom(model)
    for tensor in _constants(flushed.graph):
        if _has_denormals(tensor):
            values = numpy_helper.to_array(tensor)
            kept = np.where(np.abs(values) < _SMALLEST, np.float32(0), values)
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))
    return flushed


def _constants(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield initializers and the tensors of Constant nodes; what branches and loops hold is left alone."""
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant":
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")


def _has_denormals(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor of weights has any; a single number is more likely what keeps a logarithm finite."""
    if tensor.data_type != onnx.TensorProto.FLOAT or math.prod(tensor.dims) < 2:
        return False
    try:
        values = np.abs(numpy_helper.to_array(tensor))
    except ValueError:  # more bytes than its shape says: ONNX Runtime refuses the graph, and says so
        return False
    return bool(((values > 0) & (values < _SMALLEST)).any())
