"""A classifier's own score [B]: what a network of the caller's says of a sample, inside the uploaded graph.

VAAL's discriminator and VaB-AL's p(y ≠ ŷ | x) are such scores. Their acquisition head reads no logits: it takes the
score as if it were the one logit [B, 1] of another classifier. So whatever scores, derives pullbacks and climbs need
not know of it; that classifier (`score_as_logits`) is made of the uploaded graph where it is needed.
"""

from __future__ import annotations

import onnx
from onnx import helper

from graphs.check import check
from graphs.contract import GraphError, GraphErrorCode, GraphKind
from graphs.surgery import (
    batched,
    contract_metadata,
    make_model,
    metadata_of,
    prune,
    rename_values,
    sort_nodes,
)

KEY_READS = "dowser.reads"
"""Metadata key of a head that reads something else than the logits."""

OWN_SCORE = "score"
"""Its value where that is the classifier's own score."""

_ENDS = {"x", "logits"}


def reads_own_score(head: onnx.ModelProto) -> bool:
    """Whether an acquisition head reads the classifier's own score and not its logits."""
    return metadata_of(head).get(KEY_READS) == OWN_SCORE


def score_as_logits(classifier: onnx.ModelProto) -> onnx.ModelProto:
    """Return the forward-only classifier x [B, ...] -> logits [B, 1] whose one logit is the score; not changed itself.

    Raises:
        GraphError: WRONG_OUTPUTS if the classifier gives no score; whatever `check` finds.
    """
    info = check(classifier, GraphKind.CLASSIFIER)
    if not info.has_score:
        raise GraphError(
            GraphErrorCode.WRONG_OUTPUTS,
            "the classifier gives no score [B] of its own; export one that does, or choose another acquisition "
            "function",
            outputs=", ".join(value.name for value in classifier.graph.output),
        )
    graph = rename_values(classifier.graph, lambda name: name if name == "x" else f"own/{name}")
    graph.initializer.append(helper.make_tensor("own_axis", onnx.TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Unsqueeze", ["own/score", "own_axis"], ["logits"]))
    outputs, inputs = [batched("logits", [1])], [batched("x", info.input_shape)]
    pruned = prune(graph, outputs, inputs)
    ordered = sort_nodes(pruned.node, ["x", *(tensor.name for tensor in pruned.initializer)])
    del pruned.node[:]
    pruned.node.extend(ordered)
    opsets = {"" if e.domain == "ai.onnx" else e.domain: e.version for e in classifier.opset_import}
    return make_model(pruned, opsets, contract_metadata(GraphKind.CLASSIFIER, info.input_shape, (1,)))
