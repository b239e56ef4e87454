r"""Any acquisition function, weighted by how rare the class is that a sample may have.

With :math:`w_c` the rarity of class c among the labels so far, m the (mean) predictive distribution and
:math:`r = \sum_c m_c w_c` the expected rarity, the score is :math:`s' = s\,r`. VaB-AL (Choi et al. 2021) brings class
imbalance in through a variational auto-encoder; here the classifier's own distribution is enough. The gradient is

.. math:: \frac{\partial s'}{\partial l_{tj}} = r \frac{\partial s}{\partial l_{tj}} + s \frac{\partial r}{\partial
    l_{tj}}, \qquad \frac{\partial r}{\partial l_{tj}} = \frac1T p_{tj}\Bigl(w_j - \sum_c p_{tc} w_c\Bigr)

with T = 1 for a deterministic classifier. **A score that is at most 0 is divided by r instead**: multiplied, a rare
class would push a negated distance away from 0, and so down. Then :math:`s' = s / r` and
:math:`\partial s' = (\partial s - s'\,\partial r) / r`.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import numpy_helper

from graphs import OPSET
from graphs.surgery import rename_values

_RARITY = """
    prior_classes = Constant <value = int64[1] {{-1}}> ()
    prior_p = Softmax <axis = -1> ({all_logits})
    {mean}
    prior_rarity = MatMul (prior_mean, prior_weights)
    prior_flat_rarity = Squeeze (prior_rarity, prior_classes)
    prior_expected = MatMul (prior_p, prior_weights)
    prior_row = Squeeze (prior_weights, prior_classes)
    prior_away = Sub (prior_row, prior_expected)
    prior_pushed = Mul (prior_p, prior_away)
    prior_passes = Constant <value = float {{{passes:.1f}}}> ()
    prior_slope_all = Div (prior_pushed, prior_passes)
    prior_score = Unsqueeze (plain_score, prior_classes)
"""
_OF_ONE = "prior_mean = Identity (prior_p)"
_OF_PASSES = """prior_pass_axis = Constant <value = int64[1] {0}> ()
    prior_mean = ReduceMean <keepdims = 0> (prior_p, prior_pass_axis)"""

_BINARY_BEFORE = """
    prior_zero = Sub (logits, logits)
    prior_logits = Concat <axis = -1> (prior_zero, logits)
"""
_BINARY_AFTER = """
    prior_second = Constant <value = int64[1] {1}> ()
    prior_third = Constant <value = int64[1] {2}> ()
    prior_slope = Slice (prior_slope_all, prior_second, prior_third, prior_classes)
"""
_CLASSES_AFTER = "    prior_slope = Identity (prior_slope_all)\n"

_MULTIPLY = """
    score = Mul (plain_score, prior_flat_rarity)
    prior_scaled = Mul (plain_dlogits, prior_rarity)
    prior_pull = Mul (prior_slope, prior_score)
    dlogits = Add (prior_scaled, prior_pull)
"""
_DIVIDE = """
    score = Div (plain_score, prior_flat_rarity)
    prior_quotient = Div (prior_score, prior_rarity)
    prior_pull = Mul (prior_slope, prior_quotient)
    prior_unscaled = Sub (plain_dlogits, prior_pull)
    dlogits = Div (prior_unscaled, prior_rarity)
"""


def class_prior_weights(label_counts: NDArray[np.int64], exponent: float) -> NDArray[np.float32]:
    r"""Return the rarity of each class, :math:`((\bar n + 1) / (n_c + 1))^{exponent}` with :math:`\bar n` the mean.

    Args:
        label_counts: Labels so far by class int64 [C].
        exponent: 0 weighs all classes alike, 1 by the inverse of their counts.

    Returns:
        float32 [C], 1 for a class with as many labels as the mean.
    """
    rarity = (label_counts.mean() + 1) / (label_counts + 1)
    return np.asarray(rarity**exponent, np.float32)


def weighted_by_class_prior(
    head: onnx.ModelProto, weights: NDArray[np.float32], *, classes: int, passes: int, nonpositive: bool
) -> onnx.ModelProto:
    """Append the weighting to a head.

    Args:
        head: logits -> score, dlogits; not changed.
        weights: Rarity of each class float32 [C], above 0; C is 2 where ``classes`` is 1.
        classes: Number of logits; 1 means one logit of a binary classifier.
        passes: Stochastic passes T; 0 means a deterministic classifier.
        nonpositive: Whether the head's scores are at most 0.
    """
    binary = classes == 1
    rarity = _RARITY.format(
        all_logits="prior_logits" if binary else "logits",
        mean=_OF_PASSES if passes else _OF_ONE,
        passes=max(1, passes),
    )
    logits = f"float[{f'{passes}, ' if passes else ''}B, {classes}]"
    text = (
        f'<ir_version: 10, opset_import: ["" : {OPSET}]>\n'
        f"class_prior ({logits} logits, float[B] plain_score, {logits} plain_dlogits)"
        f" => (float[B] score, {logits} dlogits) {{\n"
        f"{_BINARY_BEFORE if binary else ''}{rarity}{_BINARY_AFTER if binary else _CLASSES_AFTER}"
        f"{_DIVIDE if nonpositive else _MULTIPLY}}}\n"
    )
    prior = onnx.parser.parse_model(text)
    weighted = onnx.ModelProto()
    weighted.CopyFrom(head)
    plain = {"score": "plain_score", "dlogits": "plain_dlogits"}
    weighted.graph.CopyFrom(rename_values(head.graph, lambda name: plain.get(name, name)))
    weighted.graph.node.extend(prior.graph.node)
    weighted.graph.initializer.append(numpy_helper.from_array(weights[:, None], "prior_weights"))
    del weighted.graph.output[:]
    weighted.graph.output.extend(prior.graph.output)
    return weighted
