"""Reverse-mode differentiation of ONNX graphs: no torch, only onnx and numpy.

Why on ONNX, and not by tracing autograd: a forward pass exports reliably and keeps its weights as named
initializers (so that new weights can be swapped in, `graphs.export.refresh`), and a rule per ONNX operator
leaves the choice of the nodes that run fast in ONNX Runtime with us. Which operators are covered is the table
`RULES`; whatever is not fails by name.
"""

from graphs.autodiff import linear, norm, pointwise, pooling, reduction, shaping
from graphs.autodiff.backward import add_pullback
from graphs.autodiff.tape import RULES

__all__ = [
    "RULES",
    "add_pullback",
    "linear",
    "norm",
    "pointwise",
    "pooling",
    "reduction",
    "shaping",
]
