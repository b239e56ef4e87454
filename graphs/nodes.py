"""Collects new nodes and constants for a graph under one name prefix."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper


class NodeBuilder:
    """New nodes and constants, not yet part of a graph.

    Attributes:
        nodes: The nodes, in order.
        tensors: The constants.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self._count = 0

    def tensor(self, hint: str, array: npt.NDArray[Any]) -> str:
        """Store a constant and return its name."""
        name = self._name(hint)
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, *values: int) -> str:
        """Store a shape, axes or pads as int64 and return the name."""
        return self.tensor("ints", np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, **attrs: Any) -> str:
        """Append a node and return its output's name."""
        name = self._name(operator.lower())
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attrs))
        return name

    def split(self, value: str, count: int, *, axis: int) -> list[str]:
        """Cut a value into equal parts and return their names."""
        names = [self._name("split") for _ in range(count)]
        self.nodes.append(helper.make_node("Split", [value], names, axis=axis, num_outputs=count))
        return names

    def _name(self, hint: str) -> str:
        self._count += 1
        return f"{self.prefix}/{hint}{self._count}"
