"""Give a classifier that came without its gradient the pullback it lacks, without torch.

Its operators must all have a rule in `graphs.autodiff`: a network exported forward-only does, trees do not. The rules
were written for graphs of our own export, so whoever derives the pullback of somebody else's graph compares it with
finite differences before relying on it.
"""

from __future__ import annotations

import onnx

from graphs.autodiff import add_pullback
from graphs.check import check
from graphs.contract import GraphKind
from graphs.splice import as_logits, at_pinned_opset, forward_only
from graphs.surgery import batched, contract_metadata, make_model, rename_values, set_metadata

_ENDS = {"x", "logits"}


def derive_pullback(classifier: onnx.ModelProto) -> onnx.ModelProto:
    """Differentiate a forward-only classifier.

    Args:
        classifier: x [B, ...] -> logits or probabilities [B, C]; not changed. Where it gives probabilities, the
            logits are their logarithms, as in `graphs.forward`. A pullback it has is made anew.

    Returns:
        The classifier with its pullback, x [B, ...], dlogits [B, C] -> logits [B, C], dx [B, ...], of the pinned
        opset and without embedding.

    Raises:
        GraphError: UNSUPPORTED_OPERATOR naming the operator that has no derivative; EXPORT_FAILED if no gradient
            reaches x; whatever `check` finds.
    """
    info = check(classifier, GraphKind.CLASSIFIER)
    plain = at_pinned_opset(forward_only(as_logits(classifier, info), ["logits"]))
    # One prefix keeps the names a stranger chose apart from those of the backward pass; shapes are inferred afresh,
    # from one name for the batch, because the rules must know which sizes are equal.
    graph = rename_values(plain.graph, lambda name: name if name in _ENDS else f"raw/{name}")
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(batched("x", info.input_shape))
    graph.output.append(batched("logits", info.output_shape, info.passes))
    if info.output == "probabilities":  # inference knows no shape behind some operators of other domains
        graph.value_info.append(batched("raw/p", info.output_shape, info.passes))
    model = add_pullback(
        make_model(graph, {entry.domain: entry.version for entry in plain.opset_import if entry.domain}),
        source="x",
        target="logits",
        cotangent="dlogits",
        gradient="dx",
    )
    set_metadata(model, contract_metadata(GraphKind.CLASSIFIER, info.input_shape, info.output_shape))
    check(model, GraphKind.CLASSIFIER)
    return model
