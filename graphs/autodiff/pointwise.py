"""Derivatives of elementwise operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import onnx

from graphs.autodiff.tape import Node, Tape, only, rule, unsupported

Unary = Callable[[Tape, Node, str, str, str], str]
"""(tape, node, x, y, dy) -> dx for y = f(x)."""


def _unary(*operators: str) -> Callable[[Unary], Unary]:
    def register(function: Unary) -> Unary:
        def derivative(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
            return (function(t, node, node.inputs[0], node.outputs[0], only(cotangents, node)),)

        rule(*operators)(derivative)
        return function

    return register


@_unary("Identity", "Dropout", "CastLike")
def identity(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Pass through: dropout is exported in eval mode, and all differentiable values are float32."""
    return dy


@_unary("Cast")
def cast(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Pass through a cast to float32; others leave the differentiable values."""
    if node.attrs["to"] != onnx.TensorProto.FLOAT:
        raise unsupported("Cast", "it leaves float32")
    return dy


@_unary("Neg")
def neg(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """-x."""
    return t.op("Neg", dy)


@_unary("Relu")
def relu(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """max(x, 0), with derivative 0 at 0 as in torch.

    The mask y > 0 comes from a very steep HardSigmoid, clip(3e38 y, 0, 1): on the CPU it runs in half the
    time of Sign, or of Greater and Where.
    """
    return t.op("Mul", dy, t.op("HardSigmoid", y, alpha=3e38, beta=0.0))


@_unary("LeakyRelu")
def leaky_relu(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X if x > 0 else alpha x."""
    alpha = node.attrs.get("alpha", 0.01)
    return t.op("Where", t.op("Greater", x, t.const(0)), dy, t.op("Mul", dy, t.const(alpha)))


@_unary("Elu")
def elu(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X if x > 0 else alpha (e^x - 1), whose derivative is y + alpha."""
    slope = t.op("Add", y, t.const(node.attrs.get("alpha", 1.0)))
    return t.op("Where", t.op("Greater", x, t.const(0)), dy, t.op("Mul", dy, slope))


@_unary("Celu")
def celu(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X if x > 0 else alpha (e^(x/alpha) - 1), whose derivative is y/alpha + 1."""
    slope = t.op("Add", t.op("Div", y, t.const(node.attrs.get("alpha", 1.0))), t.const(1))
    return t.op("Where", t.op("Greater", x, t.const(0)), dy, t.op("Mul", dy, slope))


@_unary("Selu")
def selu(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Gamma x if x > 0 else gamma alpha (e^x - 1), whose derivative is y + gamma alpha."""
    alpha, gamma = node.attrs.get("alpha", 1.6732632423543772), node.attrs.get("gamma", 1.0507009873554805)
    slope = t.op(
        "Where", t.op("Greater", x, t.const(0)), t.const(gamma), t.op("Add", y, t.const(alpha * gamma))
    )
    return t.op("Mul", dy, slope)


@_unary("Gelu")
def gelu(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X Phi(x), exact or in its tanh approximation."""
    half, one = t.const(0.5), t.const(1)
    if node.attrs.get("approximate", "none") == "tanh":
        a, b = math.sqrt(2 / math.pi), 0.044715
        square = t.op("Mul", x, x)
        inner = t.op("Mul", t.op("Mul", x, t.const(a)), t.op("Add", one, t.op("Mul", square, t.const(b))))
        tanh = t.op("Tanh", inner)
        cdf = t.op("Mul", half, t.op("Add", one, tanh))
        slope = t.op("Mul", t.op("Sub", one, t.op("Mul", tanh, tanh)), t.const(0.5 * a))
        slope = t.op("Mul", slope, t.op("Add", one, t.op("Mul", square, t.const(3 * b))))
        return t.op("Mul", dy, t.op("Add", cdf, t.op("Mul", x, slope)))
    cdf = t.op("Mul", half, t.op("Add", one, t.op("Erf", t.op("Mul", x, t.const(math.sqrt(0.5))))))
    pdf = t.op("Exp", t.op("Mul", t.op("Mul", x, x), t.const(-0.5)))
    pdf = t.op("Mul", pdf, t.const(1 / math.sqrt(2 * math.pi)))
    return t.op("Mul", dy, t.op("Add", cdf, t.op("Mul", x, pdf)))


@_unary("Sigmoid")
def sigmoid(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Y (1 - y)."""
    return t.op("Mul", dy, t.op("Sub", y, t.op("Mul", y, y)))


@_unary("Tanh")
def tanh(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """1 - y^2."""
    return t.op("Mul", dy, t.op("Sub", t.const(1), t.op("Mul", y, y)))


@_unary("Softplus")
def softplus(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """log(1 + e^x), whose derivative is the logistic function."""
    return t.op("Mul", dy, t.op("Sigmoid", x))


@_unary("Mish")
def mish(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X tanh(softplus(x))."""
    gate, sig = t.op("Tanh", t.op("Softplus", x)), t.op("Sigmoid", x)
    bend = t.op("Sub", t.const(1), t.op("Mul", gate, gate))
    return t.op("Mul", dy, t.op("Add", gate, t.op("Mul", t.op("Mul", x, sig), bend)))


@_unary("HardSigmoid")
def hard_sigmoid(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """clip(alpha x + beta, 0, 1)."""
    inside = t.op("And", t.op("Greater", y, t.const(0)), t.op("Less", y, t.const(1)))
    return t.op("Where", inside, t.op("Mul", dy, t.const(node.attrs.get("alpha", 0.2))), t.const(0))


@_unary("HardSwish")
def hard_swish(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X clip(x/6 + 1/2, 0, 1)."""
    slope = t.op("Add", t.op("Mul", x, t.const(1 / 3)), t.const(0.5))
    slope = t.op("Where", t.op("Less", x, t.const(-3)), t.const(0), slope)
    return t.op("Mul", dy, t.op("Where", t.op("Greater", x, t.const(3)), t.const(1), slope))


@_unary("Softsign")
def softsign(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """X / (1 + |x|)."""
    base = t.op("Add", t.const(1), t.op("Abs", x))
    return t.op("Div", dy, t.op("Mul", base, base))


@_unary("Exp")
def exp(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """e^x."""
    return t.op("Mul", dy, y)


@_unary("Log")
def log(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Log x."""
    return t.op("Div", dy, x)


@_unary("Sqrt")
def sqrt(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """x^(1/2)."""
    return t.op("Div", t.op("Mul", dy, t.const(0.5)), y)


@_unary("Reciprocal")
def reciprocal(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """1 / x."""
    return t.op("Neg", t.op("Mul", dy, t.op("Mul", y, y)))


@_unary("Abs")
def absolute(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """|x|, with derivative 0 at 0 as in torch."""
    return t.op("Mul", dy, t.op("Sign", x))


@_unary("Erf")
def erf(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """2/sqrt(pi) e^(-x^2)."""
    bell = t.op("Exp", t.op("Neg", t.op("Mul", x, x)))
    return t.op("Mul", dy, t.op("Mul", bell, t.const(2 / math.sqrt(math.pi))))


@_unary("Sin")
def sin(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Sin x."""
    return t.op("Mul", dy, t.op("Cos", x))


@_unary("Cos")
def cos(t: Tape, node: Node, x: str, y: str, dy: str) -> str:
    """Cos x."""
    return t.op("Neg", t.op("Mul", dy, t.op("Sin", x)))


@rule("Clip")
def clip(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """1 inside the bounds and on them, as in torch, 0 outside."""
    dy, x = only(cotangents, node), node.inputs[0]
    if any(node.needs[1:]):
        raise unsupported("Clip", "a bound depends on the input")
    for bound, comparison in ((node.input(1), "GreaterOrEqual"), (node.input(2), "LessOrEqual")):
        if bound:
            dy = t.op("Where", t.op(comparison, x, bound), dy, t.const(0))
    return (dy,)


@rule("Add", "Sub")
def add(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """A + b or a - b, with broadcasting."""
    dy, y = only(cotangents, node), node.outputs[0]
    da = t.unbroadcast(dy, node.inputs[0], y, node.op) if node.needs[0] else None
    if not node.needs[1]:
        return da, None
    db = t.unbroadcast(dy, node.inputs[1], y, node.op)
    return da, db if node.op == "Add" else t.op("Neg", db)


@rule("Sum")
def sum_of_many(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """A + b + ..., with broadcasting."""
    dy, y = only(cotangents, node), node.outputs[0]
    return [
        t.unbroadcast(dy, x, y, "Sum") if needed else None
        for x, needed in zip(node.inputs, node.needs, strict=True)
    ]


@rule("Mul")
def mul(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """A b, with broadcasting."""
    dy, (a, b), y = only(cotangents, node), node.inputs, node.outputs[0]
    da = t.unbroadcast(t.op("Mul", dy, b), a, y, "Mul") if node.needs[0] else None
    db = t.unbroadcast(t.op("Mul", dy, a), b, y, "Mul") if node.needs[1] else None
    return da, db


@rule("Div")
def div(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """A / b, with broadcasting."""
    dy, (a, b), y = only(cotangents, node), node.inputs, node.outputs[0]
    ratio = t.op("Div", dy, b)
    da = t.unbroadcast(ratio, a, y, "Div") if node.needs[0] else None
    db = t.unbroadcast(t.op("Neg", t.op("Mul", ratio, y)), b, y, "Div") if node.needs[1] else None
    return da, db


@rule("Pow")
def power(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """x^p for a constant p."""
    dy, (x, p), y = only(cotangents, node), node.inputs, node.outputs[0]
    if node.needs[1]:
        raise unsupported("Pow", "its exponent depends on the input")
    exponent = t.constant(p, "Pow").astype("float32")
    slope = x if (exponent == 2).all() else t.op("Pow", x, t.const(exponent - 1))
    return t.unbroadcast(t.op("Mul", dy, t.op("Mul", slope, t.const(exponent))), x, y, "Pow"), None


@rule("PRelu")
def prelu(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """X if x > 0 else slope x, for a learned slope."""
    dy, (x, slope) = only(cotangents, node), node.inputs
    if node.needs[1]:
        raise unsupported("PRelu", "its slope depends on the input")
    return t.op("Where", t.op("Greater", x, t.const(0)), dy, t.op("Mul", dy, slope)), None


@rule("Where")
def where(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """A where the condition holds, else b."""
    dy, (condition, a, b), y = only(cotangents, node), node.inputs, node.outputs[0]
    zero = t.const(0)
    da = t.unbroadcast(t.op("Where", condition, dy, zero), a, y, "Where") if node.needs[1] else None
    db = t.unbroadcast(t.op("Where", condition, zero, dy), b, y, "Where") if node.needs[2] else None
    return None, da, db


@rule("Max", "Min")
def extremum(t: Tape, node: Node, cotangents: Sequence[str | None]) -> Sequence[str | None]:
    """max(a, b) or min(a, b); equal operands share the derivative, as in torch."""
    dy, y = only(cotangents, node), node.outputs[0]
    if len(node.inputs) != 2:
        raise unsupported(node.op, f"it has {len(node.inputs)} operands, 2 are covered")
    a, b = node.inputs
    strict = "Greater" if node.op == "Max" else "Less"
    shared = t.op("Where", t.op("Equal", a, b), t.op("Mul", dy, t.const(0.5)), t.const(0))
    grads: list[str | None] = []
    for needed, mine, other in ((node.needs[0], a, b), (node.needs[1], b, a)):
        won = t.op("Where", t.op(strict, mine, other), dy, shared) if needed else None
        grads.append(t.unbroadcast(won, mine, y, node.op) if won else None)
    return grads
