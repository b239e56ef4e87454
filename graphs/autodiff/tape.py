"""The tape: a forward graph being extended, node by node, by its own backward pass.

Rules (one per operator) are handed a `Node` of the forward graph and the cotangents of its outputs, append
whatever nodes they need, and return the cotangents of the node's inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from graphs.contract import GraphError, GraphErrorCode
from graphs.surgery import Dim, dims_of

Shape = tuple[Dim, ...]
Array = npt.NDArray[Any]


def unsupported(operator: str, why: str) -> GraphError:
    """Build the error for an operator that has no derivative here."""
    return GraphError(
        GraphErrorCode.UNSUPPORTED_OPERATOR,
        f"cannot differentiate {operator}: {why}; replace it by a covered operator, or "
        "export without a pullback",
        operator=operator,
    )


@dataclass(frozen=True, kw_only=True)
class Node:
    """One forward node as a rule sees it.

    Attributes:
        op: Operator name.
        inputs: Input names ("" where an optional input is absent).
        outputs: Output names.
        attrs: Attributes as Python values.
        needs: For each input, whether its cotangent is wanted.
        proto: The node itself; a rule may ask for one more of its optional outputs through
            `Tape.extra_output`.
    """

    op: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attrs: dict[str, Any]
    needs: Sequence[bool]
    proto: onnx.NodeProto

    def input(self, index: int) -> str:
        """Return an input's name, or "" if it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""


@dataclass
class Tape:
    """The growing graph: nodes, initializers, known shapes and known constants."""

    nodes: list[onnx.NodeProto]
    initializers: dict[str, onnx.TensorProto]
    shapes: dict[str, Shape]
    constants: dict[str, Array] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)
    _interned: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    @classmethod
    def of(cls, graph: onnx.GraphProto) -> Tape:
        """Start from a copy of a forward graph whose value_info holds the inferred shapes."""
        copy = onnx.GraphProto()
        copy.CopyFrom(graph)
        shapes: dict[str, Shape] = {}
        for value in (*copy.input, *copy.value_info, *copy.output):
            dims = dims_of(value)
            if dims is not None:
                shapes[value.name] = dims
        for tensor in copy.initializer:
            shapes[tensor.name] = tuple(tensor.dims)
        tape = cls(nodes=list(copy.node), initializers={t.name: t for t in copy.initializer}, shapes=shapes)
        tape._taken = {n for node in copy.node for n in (*node.input, *node.output)} | set(shapes)
        return tape

    def fresh(self, hint: str) -> str:
        """Make a name that is not taken yet."""
        name, count = hint, 0
        while name in self._taken:
            count += 1
            name = f"{hint}_{count}"
        self._taken.add(name)
        return name

    def op(self, op_type: str, *inputs: str, hint: str | None = None, **attrs: Any) -> str:
        """Append a node with one output and return that output's name."""
        return self.ops(op_type, *inputs, count=1, hint=hint, **attrs)[0]

    def ops(self, op_type: str, *inputs: str, count: int, hint: str | None = None, **attrs: Any) -> list[str]:
        """Append a node with `count` outputs and return their names."""
        outputs = [self.fresh(hint or f"d_{op_type.lower()}") for _ in range(count)]
        self.nodes.append(helper.make_node(op_type, list(inputs), outputs, **attrs))
        return outputs

    def const(self, value: Any, dtype: npt.DTypeLike = np.float32) -> str:
        """Add a constant (once: equal ones are shared) and return its name."""
        array = np.asarray(value, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._interned:
            name = self.fresh("k")
            self.initializers[name] = numpy_helper.from_array(
                np.ascontiguousarray(array).reshape(array.shape), name
            )
            self.shapes[name] = array.shape
            self.constants[name] = array
            self._interned[key] = name
        return self._interned[key]

    def ints(self, *values: int) -> str:
        """Add a 1-d int64 constant (axes, shapes, pads)."""
        return self.const(list(values), np.int64)

    def extra_output(self, node: Node, index: int, hint: str) -> str:
        """Return the name of an optional output of a forward node, asking for it if nobody has yet."""
        while len(node.proto.output) <= index:
            node.proto.output.append("")
        if not node.proto.output[index]:
            node.proto.output[index] = self.fresh(hint)
        return node.proto.output[index]

    def shape(self, name: str, operator: str) -> Shape:
        """Return a value's dimensions.

        Raises:
            GraphError: UNSUPPORTED_OPERATOR if shape inference did not even find its rank.
        """
        if name not in self.shapes:
            raise unsupported(operator, f"the shape of its value {name!r} could not be inferred")
        return self.shapes[name]

    def sizes(self, name: str, operator: str, start: int = 0) -> tuple[int, ...]:
        """Return the dimensions from `start` on, all of which must be static."""
        dims = self.shape(name, operator)[start:]
        if not all(isinstance(d, int) for d in dims):
            raise unsupported(operator, f"its value {name!r} has dynamic dimensions beside the batch: {dims}")
        return tuple(d for d in dims if isinstance(d, int))

    def constant(self, name: str, operator: str) -> Array:
        """Return the value of a constant input (axes, pads, repeats).

        Raises:
            GraphError: UNSUPPORTED_OPERATOR if the value is only known at run time.
        """
        if name not in self.constants:
            if name not in self.initializers:
                raise unsupported(operator, f"its argument {name!r} is computed at run time")
            self.constants[name] = numpy_helper.to_array(self.initializers[name])
        return self.constants[name]

    def reshape_like(self, value: str, like: str) -> str:
        """Reshape `value` to the shape of `like`: a constant if at most one dimension is dynamic."""
        dims = self.shapes.get(like)
        if dims is not None and sum(not isinstance(d, int) for d in dims) <= 1 and 0 not in dims:
            return self.op("Reshape", value, self.ints(*(d if isinstance(d, int) else -1 for d in dims)))
        return self.op("Reshape", value, self.op("Shape", like))

    def expand_like(self, value: str, like: str) -> str:
        """Broadcast `value` to the shape of `like`."""
        dims = self.shapes.get(like)
        if dims is not None and all(isinstance(d, int) for d in dims):
            return self.op("Expand", value, self.const(dims, np.int64))
        return self.op("Expand", value, self.op("Shape", like))

    def zeros_like(self, like: str) -> str:
        """Make zeros of the shape of `like`."""
        zero = helper.make_tensor("value", onnx.TensorProto.FLOAT, [1], [0.0])
        return self.op("ConstantOfShape", self.op("Shape", like), value=zero)

    def unbroadcast(self, grad: str, source: str, result: str, operator: str) -> str:
        """Sum a cotangent of `result` over the axes along which `source` was broadcast to it."""
        small, big = self.shape(source, operator), self.shape(result, operator)
        lead = len(big) - len(small)
        if lead:
            grad = self.op("ReduceSum", grad, self.ints(*range(lead)), keepdims=0)
        axes = [i for i, dim in enumerate(small) if dim == 1 and big[lead + i] != 1]
        return self.op("ReduceSum", grad, self.ints(*axes), keepdims=1) if axes else grad


Rule = Callable[[Tape, Node, Sequence[str | None]], Sequence[str | None]]
"""Cotangents of a node's outputs (None where nothing depends on one) to cotangents of its inputs."""

RULES: dict[str, Rule] = {}


def rule(*operators: str) -> Callable[[Rule], Rule]:
    """Register the derivative of one or more operators."""

    def register(function: Rule) -> Rule:
        for operator in operators:
            RULES[operator] = function
        return function

    return register


def only(cotangents: Sequence[str | None], node: Node) -> str:
    """Return the cotangent of the first output, which must be the only one anything depends on."""
    if cotangents[0] is None or any(c is not None for c in cotangents[1:]):
        raise unsupported(node.op, "something depends on one of its secondary outputs")
    return cotangents[0]
