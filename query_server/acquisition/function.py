"""What an acquisition function is: a name, its formula, and an ONNX head with the gradient written out.

A head is one small graph, ``logits [B, C] -> score [B], dlogits [B, C]``, where ``dlogits`` is the gradient of each
sample's score with respect to its own logits. Heads are written in ONNX's textual form, so that the formula can be
read where it is used; higher scores always mean more informative.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnx.parser

from graphs import OPSET

# A binary classifier with one logit l is the two-class classifier with logits (0, l): the same probabilities, and the
# gradient with respect to l is the second column's.
_BINARY_BEFORE = """
    zero_logit = Sub (logits, logits)
    two_logits = Concat <axis = 1> (zero_logit, logits)
"""
_BINARY_AFTER = """
    second = Constant <value = int64[1] {1}> ()
    third = Constant <value = int64[1] {2}> ()
    column = Constant <value = int64[1] {1}> ()
    dlogits = Slice (gradient, second, third, column)
"""


@dataclass(frozen=True, kw_only=True)
class AcquisitionFunction:
    """A score function over classifier outputs.

    Attributes:
        name: The name used in requests, for example ``"maximum_entropy"``.
        unit: The unit of the score, ``"nats"``, ``"probability"`` or ``"logit"``.
        body: ONNX text from ``l [B, C]`` (C ≥ 2) to ``score [B]`` and ``gradient [B, C]``.
    """

    name: str
    unit: str
    body: str

    def head(self, classes: int) -> onnx.ModelProto:
        """Build the ONNX head for a classifier.

        Args:
            classes: Number of logits C; 1 means one logit of a binary classifier.

        Returns:
            A graph ``logits [B, C] -> score [B], dlogits [B, C]``.
        """
        if classes == 1:
            before, logits, after = _BINARY_BEFORE, "two_logits", _BINARY_AFTER
        else:
            before, logits, after = "", "logits", "    dlogits = Identity (gradient)\n"
        text = (
            f'<ir_version: 10, opset_import: ["" : {OPSET}],\n'
            f'  metadata_props: ["dowser.kind": "acquisition", "dowser.contract": "1"]>\n'
            f"{self.name} (float[B, {classes}] logits) => (float[B] score, float[B, {classes}] dlogits) {{\n"
            f"{before}    l = Identity ({logits})\n{self.body}{after}}}\n"
        )
        return onnx.parser.parse_model(text)
