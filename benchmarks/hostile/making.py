"""What hostile models are made with: a registry, and a small classifier to spoil."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REJECTED, MISMATCH = "CLASSIFIER_REJECTED", "CLASSIFIER_MISMATCH"
FAILED, NOT_FINITE = "CLASSIFIER_FAILED", "NOT_FINITE"

Stage = Literal["upload", "run", "any"]


@dataclass(frozen=True, kw_only=True)
class HostileModel:
    """One model and what must become of it.

    Attributes:
        name: What is wrong with it.
        data: Its bytes.
        reasons: Any of these ErrorReasons, without their prefix, refuses it.
        codes: With CLASSIFIER_REJECTED, any of these codes; empty for whatever code.
        stage: When it is refused: at the upload, or when it scores or climbs.
        may_pass: Whether it may also do no harm at all.
    """

    name: str
    data: bytes
    reasons: tuple[str, ...]
    codes: tuple[str, ...] = ()
    stage: Stage = "upload"
    may_pass: bool = False


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes models that would fit a pool.

    Attributes:
        shape: Shape of one x.
        classes: C.
    """

    shape: tuple[int, ...]
    classes: int

    @property
    def size(self) -> int:
        """Numbers in one x."""
        return math.prod(self.shape)

    def model(
        self,
        nodes: Sequence[onnx.NodeProto] = (),
        tensors: Sequence[onnx.TensorProto] = (),
        *,
        end: str = "sound",
        inputs: Sequence[onnx.ValueInfoProto] | None = None,
        outputs: Sequence[onnx.ValueInfoProto] | None = None,
        opsets: Mapping[str, int] | None = None,
    ) -> onnx.ModelProto:
        """Return a linear classifier with more nodes.

        Args:
            nodes: They may read "x", "flat" [B, size] and "sound", its logits.
            tensors: What they need stored.
            end: What they make of the logits, to be called "logits".
            inputs: In place of x.
            outputs: In place of logits.
            opsets: Beside the default domain's.
        """
        weight = np.random.default_rng(0).standard_normal((self.size, self.classes), np.float32) / self.size
        whole = [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["sound"]),
            *nodes,
            helper.make_node("Identity", [end], ["logits"]),
        ]
        graph = helper.make_graph(
            whole,
            "hostile",
            [value("x", "B", *self.shape)] if inputs is None else list(inputs),
            [value("logits", "B", self.classes)] if outputs is None else list(outputs),
            [numpy_helper.from_array(weight, "weight"), *tensors],
        )
        domains = {"": 20} | dict(opsets or {})
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid(d, v) for d, v in domains.items()]
        )
        model.ir_version = 10
        return model

    def plus(
        self, nodes: Sequence[onnx.NodeProto], tensors: Sequence[onnx.TensorProto] = (), *, burden: str
    ) -> bytes:
        """Return a classifier whose logits need a burden, of any shape: its largest number is added."""
        join = [
            helper.make_node("ReduceMax", [burden], ["heavy"], keepdims=0),
            helper.make_node("Add", ["sound", "heavy"], ["end"]),
        ]
        return self.model([*nodes, *join], tensors, end="end").SerializeToString()


Make = Callable[[Maker], bytes]


class Registry:
    """Collects the functions that make models, in order."""

    def __init__(self) -> None:
        self._recipes: list[tuple[str, Make, tuple[str, ...], tuple[str, ...], Stage, bool]] = []

    def add(
        self,
        *codes: str,
        reasons: tuple[str, ...] = (REJECTED,),
        stage: Stage = "upload",
        may_pass: bool = False,
    ) -> Callable[[Make], Make]:
        """Register a function under its own name; arguments as in ``HostileModel``."""

        def register(make: Make) -> Make:
            self._recipes.append((make.__name__, make, reasons, codes, stage, may_pass))
            return make

        return register

    def all(self, maker: Maker) -> list[HostileModel]:
        """Make every model."""
        return [
            HostileModel(
                name=name, data=make(maker), reasons=reasons, codes=codes, stage=stage, may_pass=may_pass
            )
            for name, make, reasons, codes, stage, may_pass in self._recipes
        ]


def value(name: str, *dims: int | str | None, dtype: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """Describe a tensor."""
    return helper.make_tensor_value_info(name, dtype, list(dims))


def ints(name: str, *numbers: int) -> onnx.TensorProto:
    """Store a list of integers."""
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def floats(name: str, *numbers: float) -> onnx.TensorProto:
    """Store a list of numbers."""
    return numpy_helper.from_array(np.array(numbers, np.float32), name)


def node(operator: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """Make a node of names separated by blanks."""
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)
