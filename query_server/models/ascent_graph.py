r"""The step graph with Adam's update appended: one run is one whole optimizer step.

Adam (Kingma and Ba 2015, algorithm 1), ascending, per latent:

    mean' = β₁ mean + (1 - β₁) dz,   variance' = β₂ variance + (1 - β₂) dz²,   z' = z + rate · mean' / (√variance' + ε)

where dz is the gradient of the score plus ``push``, whatever else moves a latent,
with the bias corrections of step t folded into ``rate`` = step_size √(1 - β₂ᵗ) / (1 - β₁ᵗ) and
``epsilon`` = ε √(1 - β₂ᵗ), as the paper suggests. The loop stays outside, where a request can stop between steps.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import TensorProto, helper

from graphs import OPSET

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

_UPDATE = f"""
<ir_version: 10, opset_import: ["" : {OPSET}]>
adam (float[B, Z] z, float[B, Z] dz, float[B, Z] push, float[B, Z] mean, float[B, Z] variance, float[1] rate,
      float[1] epsilon)
    => (float[B, Z] z_next, float[B, Z] mean_next, float[B, Z] variance_next) {{
    adam_beta1 = Constant <value = float {{{BETA1}}}> ()
    adam_beta2 = Constant <value = float {{{BETA2}}}> ()
    adam_rest1 = Constant <value = float {{{1 - BETA1:.9f}}}> ()
    adam_rest2 = Constant <value = float {{{1 - BETA2:.9f}}}> ()
    adam_gradient = Add (dz, push)
    adam_old_mean = Mul (mean, adam_beta1)
    adam_new_mean = Mul (adam_gradient, adam_rest1)
    mean_next = Add (adam_old_mean, adam_new_mean)
    adam_square = Mul (adam_gradient, adam_gradient)
    adam_old_variance = Mul (variance, adam_beta2)
    adam_new_variance = Mul (adam_square, adam_rest2)
    variance_next = Add (adam_old_variance, adam_new_variance)
    adam_root = Sqrt (variance_next)
    adam_bottom = Add (adam_root, epsilon)
    adam_direction = Div (mean_next, adam_bottom)
    adam_move = Mul (adam_direction, rate)
    z_next = Add (z, adam_move)
}}
"""


def with_adam(step: onnx.ModelProto) -> onnx.ModelProto:
    """Append Adam's update to a step graph.

    Args:
        step: z [B, Z] -> score [B], dz [B, Z], x [B, ...] and more; not changed.

    Returns:
        z, push, mean, variance [B, Z], rate [1], epsilon [1]
        -> score [B], x [B, ...], z_next, mean_next, variance_next [B, Z].
    """
    update = onnx.parser.parse_model(_UPDATE)
    model = onnx.ModelProto()
    model.CopyFrom(step)
    graph = model.graph
    graph.node.extend(update.graph.node)
    (latents,) = (value.type.tensor_type.shape.dim[1].dim_value for value in graph.input if value.name == "z")
    for value in update.graph.input:
        if value.name in ("push", "mean", "variance"):
            graph.input.append(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, ["B", latents]))
        elif value.name in ("rate", "epsilon"):
            graph.input.append(value)
    kept = [value for value in graph.output if value.name in ("score", "x")]
    del graph.output[:]
    graph.output.extend(kept)
    for value in update.graph.output:
        graph.output.append(helper.make_tensor_value_info(value.name, TensorProto.FLOAT, ["B", latents]))
    return model


def corrections(step: int, step_size: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return rate [1] and epsilon [1] of step t, counted from 1."""
    root = math.sqrt(1 - BETA2**step)
    rate = step_size * root / (1 - BETA1**step)
    return np.array([rate], np.float32), np.array([EPSILON * root], np.float32)
