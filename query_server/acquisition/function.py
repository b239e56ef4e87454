"""What an acquisition function is: a name, its formula, and an ONNX head with the gradient written out.

A head is one small graph, ``logits [B, C] -> score [B], dlogits [B, C]``, where ``dlogits`` is the gradient of each
sample's score with respect to its own logits. Heads are written in ONNX's textual form, so that the formula can be
read where it is used; higher scores always mean more informative.

A stochastic classifier gives logits [T, B, C], one set a pass. Functions of one distribution score the mean of the
passes (``Reads``), whose gradient is worked out here once for all of them; functions of the passes' disagreement read
every pass themselves and apply to no deterministic classifier. What else a head depends on, class weights and target
samples, is written into it as constants (``HeadCondition``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray
from onnx import numpy_helper

from graphs import KEY_READS, OPSET, OWN_SCORE
from query_server.acquisition.class_prior import weighted_by_class_prior
from query_server.acquisition.condition import HeadCondition
from query_server.errors import acquisition_unsupported


class Reads(Enum):
    """What a body finds in ``l`` where the classifier is stochastic."""

    MEAN_DISTRIBUTION = "the logarithm of the mean predictive distribution, [B, C]"
    MEAN_LOGITS = "the mean logits, [B, C]"
    EVERY_PASS = "the logits of every pass, [T, B, C]"
    OWN_SCORE = "not there: the head reads the classifier's own score as logits [B, 1], and no logits"


# A binary classifier with one logit l is the two-class classifier with logits (0, l): the same probabilities, and the
# gradient with respect to l is the second column's.
_BINARY_BEFORE = """
    zero_logit = Sub (logits, logits)
    all_logits = Concat <axis = -1> (zero_logit, logits)
"""
_BINARY_AFTER = """
    second = Constant <value = int64[1] {1}> ()
    third = Constant <value = int64[1] {2}> ()
    column = Constant <value = int64[1] {-1}> ()
    dlogits = Slice (all_gradient, second, third, column)
"""
_CLASSES_BEFORE = "    all_logits = Identity (logits)\n"
_CLASSES_AFTER = "    dlogits = Identity (all_gradient)\n"

_ONE_BEFORE = "    l = Identity (all_logits)\n"
_ONE_AFTER = "    all_gradient = Identity (gradient)\n"

# l = log m with m the mean of p_t = softmax(l_t). From g = ds/dl of the body, ds/dm = g / m, and so
# ds/dl_tj = (r_tj g_j - p_tj sum_c r_tc g_c) / T with r = p_t / m, at most T, made of logarithms: m may underflow.
_MEAN_DISTRIBUTION_BEFORE = """
    pass_axis = Constant <value = int64[1] {{0}}> ()
    log_passes = Constant <value = float {{{log_passes:.9f}}}> ()
    log_p_each = LogSoftmax <axis = 2> (all_logits)
    log_p_sum = ReduceLogSumExp <keepdims = 0> (log_p_each, pass_axis)
    l = Sub (log_p_sum, log_passes)
"""
_MEAN_DISTRIBUTION_AFTER = """
    class_axis = Constant <value = int64[1] {{2}}> ()
    passes = Constant <value = float {{{passes:.1f}}}> ()
    p_each = Exp (log_p_each)
    log_ratio = Sub (log_p_each, l)
    ratio = Exp (log_ratio)
    pushed = Mul (ratio, gradient)
    pushed_sum = ReduceSum <keepdims = 1> (pushed, class_axis)
    pulled_back = Mul (p_each, pushed_sum)
    gradient_sum = Sub (pushed, pulled_back)
    all_gradient = Div (gradient_sum, passes)
"""

_MEAN_LOGITS_BEFORE = """
    pass_axis = Constant <value = int64[1] {{0}}> ()
    l = ReduceMean <keepdims = 0> (all_logits, pass_axis)
"""
_MEAN_LOGITS_AFTER = """
    passes = Constant <value = float {{{passes:.1f}}}> ()
    share = Div (gradient, passes)
    every_pass = Shape (all_logits)
    all_gradient = Expand (share, every_pass)
"""

_STOCHASTIC = {
    Reads.MEAN_DISTRIBUTION: (_MEAN_DISTRIBUTION_BEFORE, _MEAN_DISTRIBUTION_AFTER),
    Reads.MEAN_LOGITS: (_MEAN_LOGITS_BEFORE, _MEAN_LOGITS_AFTER),
    Reads.EVERY_PASS: (_ONE_BEFORE, _ONE_AFTER),
}


@dataclass(frozen=True, kw_only=True)
class AcquisitionFunction:
    """A score function over classifier outputs.

    Attributes:
        name: The name used in requests, for example ``"maximum_entropy"``.
        unit: The unit of the score, ``"nats"``, ``"probability"``, ``"logit"``, or ``"own"`` where the caller knows it.
        body: ONNX text from ``l [B, C]`` (C ≥ 2) to ``score [B]`` and ``gradient [B, C]``; where every pass is read,
            from ``l [T, B, C]`` to ``score [B]`` and ``gradient [T, B, C]``.
        reads: What ``l`` is where the classifier is stochastic.
        nonpositive: Whether scores are at most 0, as negated distances are.
        target_constants: Makes what the body reads of target samples, by name, from their probabilities [T, M, C]; None
            where it reads nothing of them.
    """

    name: str
    unit: str
    body: str
    reads: Reads = Reads.MEAN_DISTRIBUTION
    nonpositive: bool = False
    target_constants: Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]] | None = None

    def bound(self, classes: int) -> float:
        """Return what no score exceeds with this many classes; infinity where nothing is known."""
        return {"nats": math.log(classes), "probability": 1.0}.get(self.unit, math.inf)

    @property
    def needs_targets(self) -> bool:
        """Whether a head can only be built with target samples."""
        return self.target_constants is not None

    def head(
        self,
        classes: int,
        passes: int = 0,
        *,
        condition: HeadCondition | None = None,
        has_score: bool = False,
    ) -> onnx.ModelProto:
        """Build the ONNX head for a classifier.

        Args:
            classes: Number of logits C; 1 means one logit of a binary classifier.
            passes: Stochastic passes T; 0 means a deterministic classifier.
            condition: Class weights to multiply the score with, and target samples, where the function needs them.
            has_score: Whether the classifier gives a score of its own.

        Returns:
            A graph ``logits -> score [B], dlogits`` with logits and dlogits [B, C], or [T, B, C] with passes, or of the
            classifier's own score [B, 1].

        Raises:
            DowserError: ACQUISITION_UNSUPPORTED if the function reads every pass and there are fewer than two, if it
                needs targets and there are none, or if it reads the classifier's own score and there is none or a class
                prior goes with it.
            ValueError: If the condition is of another number of classes or passes.
        """
        condition = condition or HeadCondition()
        if self.reads is Reads.OWN_SCORE:
            return self._own_head(condition, has_score=has_score)
        if self.reads is Reads.EVERY_PASS and passes < 2:
            raise acquisition_unsupported(
                self.name,
                f"it measures how stochastic passes disagree and the classifier makes {passes or 'none'}; export it "
                "with at least 2 passes (Monte Carlo dropout) or as an ensemble",
                metadata={"passes": str(passes)},
            )
        constants: Mapping[str, NDArray[np.float32]] = {}
        if self.target_constants is not None:
            if condition.targets is None:
                raise acquisition_unsupported(
                    self.name, "it measures what a label tells about other samples and none were given"
                )
            _require_shape(
                "targets", condition.targets, (passes, condition.targets.shape[1], max(2, classes))
            )
            constants = self.target_constants(condition.targets)
        before, after = _STOCHASTIC[self.reads] if passes else (_ONE_BEFORE, _ONE_AFTER)
        if passes:
            numbers = {"passes": passes, "log_passes": math.log(passes)}
            before, after = before.format(**numbers), after.format(**numbers)
        binary = classes == 1
        logits = f"float[{f'{passes}, ' if passes else ''}B, {classes}]"
        text = (
            f'<ir_version: 10, opset_import: ["" : {OPSET}],\n'
            f'  metadata_props: ["dowser.kind": "acquisition", "dowser.contract": "1"]>\n'
            f"{self.name} ({logits} logits) => (float[B] score, {logits} dlogits) {{\n"
            f"{_BINARY_BEFORE if binary else _CLASSES_BEFORE}{before}{self.body}"
            f"{after}{_BINARY_AFTER if binary else _CLASSES_AFTER}}}\n"
        )
        head = onnx.parser.parse_model(text)
        head.graph.initializer.extend(
            numpy_helper.from_array(values, name) for name, values in constants.items()
        )
        weights = condition.class_weights
        if weights is None:
            return head
        _require_shape("class_weights", weights, (max(2, classes),))
        return weighted_by_class_prior(
            head, weights, classes=classes, passes=passes, nonpositive=self.nonpositive
        )

    def _own_head(self, condition: HeadCondition, *, has_score: bool) -> onnx.ModelProto:
        if not has_score:
            raise acquisition_unsupported(
                self.name,
                "it reads the classifier's own output score [B] and this one gives none; export one that returns "
                "(logits, score) or (logits, embedding, score)",
            )
        if condition.class_weights is not None:
            raise acquisition_unsupported(
                self.name,
                "a class prior is a function of the logits, which it does not read; set class_prior_weight to 0, or "
                "put the prior into the score",
            )
        return onnx.parser.parse_model(
            f'<ir_version: 10, opset_import: ["" : {OPSET}],\n'
            f'  metadata_props: ["dowser.kind": "acquisition", "dowser.contract": "1", "{KEY_READS}": "{OWN_SCORE}"]>\n'
            f"{self.name} (float[B, 1] logits) => (float[B] score, float[B, 1] dlogits) {{\n{self.body}}}\n"
        )


def _require_shape(name: str, values: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise ValueError(f"{name} of shape {list(values.shape)}, the classifier needs {list(shape)}")
