r"""The step graph with all that changes from step to step in it, so that a loop over it needs nothing of the host.

To Adam's update (``ascent_graph``) it adds what the host computes elsewhere (``gradient_ascent``):

- the bias corrections, carried as :math:`a_t = 1 - \beta_1^t` and :math:`b_t = 1 - \beta_2^t`, by
  :math:`a_{t+1} = \beta_1 a_t + (1 - \beta_1)`: a contraction, so float32 does, where powers would cancel;
- the push of the prior and, in a graph of its own, of the repulsion;
- the mean scores of the last steps, which say when to stop.

Every state has a twin among the outputs. Tensors bound to one and the other take turns, and no step reads what it
writes, so that a step which is run again, as the capture of a CUDA graph does, changes nothing.
"""

from __future__ import annotations

import onnx
import onnx.parser
from onnx import TensorProto, helper

from graphs import OPSET
from query_server.models.ascent_graph import BETA1, BETA2, EPSILON

WINDOW = 10
"""Steps over which growth is measured before an early stop."""

STATES = ("z", "mean", "variance", "first", "second", "means")
"""Inputs that every step changes; the output that takes its place is called ``..._next``."""

SETTINGS = ("step_size", "prior", "repulsion")
"""Inputs that stay: the options of an ascent."""

_ATTRACTED = """
    loop_push = Mul (z, loop_pull)"""

_REPULSED = """
    loop_squares = Mul (z, z)
    loop_norms = ReduceSum <keepdims = 1> (loop_squares, loop_axis1)
    loop_norms_t = Transpose (loop_norms)
    loop_z_t = Transpose (z)
    loop_products = MatMul (z, loop_z_t)
    loop_twice = Mul (loop_products, loop_two)
    loop_sums = Add (loop_norms, loop_norms_t)
    loop_gaps = Sub (loop_sums, loop_twice)
    loop_distances = Max (loop_gaps, loop_zero)
    loop_exponents = Mul (loop_distances, loop_fall)
    loop_near = Exp (loop_exponents)
    loop_weight = Mul (repulsion, loop_steepness)
    loop_weights = Mul (loop_near, loop_weight)
    loop_totals = ReduceSum <keepdims = 1> (loop_weights, loop_axis1)
    loop_away = Mul (loop_totals, z)
    loop_towards = MatMul (loop_weights, z)
    loop_apart = Sub (loop_away, loop_towards)
    loop_home = Mul (z, loop_pull)
    loop_push = Add (loop_home, loop_apart)"""


def with_loop(step: onnx.ModelProto, *, repulsion: bool) -> onnx.ModelProto:
    """Put what changes from step to step into a step graph with Adam's update.

    Args:
        step: What ``ascent_graph.with_adam`` returns; not changed.
        repulsion: Whether latents push each other; without, the input of that name is not there.

    Returns:
        z, mean, variance [B, Z], first, second [1], means [WINDOW + 1], step_size, prior [1] and, on demand,
        repulsion [1] -> score [B], x [B, ...] and the next of every state.
    """
    model = onnx.ModelProto()
    model.CopyFrom(step)
    graph = model.graph
    latents = next(
        value.type.tensor_type.shape.dim[1].dim_value for value in graph.input if value.name == "z"
    )
    loop = onnx.parser.parse_model(_text(latents, repulsion=repulsion))
    made = {value.name for value in loop.graph.output}
    renamed = {"push": "loop_push", "rate": "loop_rate", "epsilon": "loop_epsilon"}
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = renamed.get(name, name)
    kept = [value for value in graph.input if value.name not in renamed]
    del graph.input[:]
    graph.input.extend(kept)
    here = {value.name for value in kept}
    graph.input.extend(
        value for value in loop.graph.input if value.name not in here and value.name != "score"
    )
    # What needs nothing of the step comes first, the means of its scores last; ONNX wants this order.
    late = {"loop_later", "loop_mean", "means_next"}
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(node for node in loop.graph.node if node.output[0] not in late)
    graph.node.extend(nodes)
    graph.node.extend(node for node in loop.graph.node if node.output[0] in late)
    for name in ("first_next", "second_next"):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]))
    graph.output.append(helper.make_tensor_value_info("means_next", TensorProto.FLOAT, [WINDOW + 1]))
    assert made >= {"first_next", "second_next", "means_next"}
    return model


def _text(latents: int, *, repulsion: bool) -> str:
    width = latents / 2
    asked = ", float[1] repulsion" if repulsion else ""
    return f"""
<ir_version: 10, opset_import: ["" : {OPSET}]>
loop (float[B, {latents}] z, float[B] score, float[1] first, float[1] second, float[{WINDOW + 1}] means,
      float[1] step_size, float[1] prior{asked})
    => (float[B, {latents}] loop_push, float[1] loop_rate, float[1] loop_epsilon, float[1] first_next,
        float[1] second_next, float[{WINDOW + 1}] means_next) {{
    loop_beta1 = Constant <value = float {{{BETA1}}}> ()
    loop_beta2 = Constant <value = float {{{BETA2}}}> ()
    loop_rest1 = Constant <value = float {{{1 - BETA1:.9f}}}> ()
    loop_rest2 = Constant <value = float {{{1 - BETA2:.9f}}}> ()
    loop_small = Constant <value = float {{{EPSILON}}}> ()
    loop_zero = Constant <value = float {{0.0}}> ()
    loop_two = Constant <value = float {{2.0}}> ()
    loop_fall = Constant <value = float {{{-1 / (2 * width):.9f}}}> ()
    loop_steepness = Constant <value = float {{{1 / width:.9f}}}> ()
    loop_axis0 = Constant <value = int64[1] {{0}}> ()
    loop_axis1 = Constant <value = int64[1] {{1}}> ()
    loop_start = Constant <value = int64[1] {{1}}> ()
    loop_end = Constant <value = int64[1] {{{WINDOW + 1}}}> ()
    loop_first = Mul (first, loop_beta1)
    first_next = Add (loop_first, loop_rest1)
    loop_second = Mul (second, loop_beta2)
    second_next = Add (loop_second, loop_rest2)
    loop_root = Sqrt (second_next)
    loop_size = Mul (step_size, loop_root)
    loop_rate = Div (loop_size, first_next)
    loop_epsilon = Mul (loop_root, loop_small)
    loop_pull = Neg (prior){_REPULSED if repulsion else _ATTRACTED}
    loop_later = Slice (means, loop_start, loop_end, loop_axis0)
    loop_mean = ReduceMean <keepdims = 1> (score, loop_axis0)
    means_next = Concat <axis = 0> (loop_later, loop_mean)
}}
"""
