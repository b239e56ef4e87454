"""Join graphs of the contract: z -> x -> logits -> score and back to dz, in one acyclic graph.

A generator's x does not depend on dx, nor a classifier's logits on dlogits. So the head's dlogits can feed
the classifier's backward pass and its dx the generator's, with one forward and one backward pass in all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import onnx
from onnx import helper, version_converter

from graphs.check import check
from graphs.contract import KEY_KIND, OPSET, GraphError, GraphErrorCode, GraphInfo, GraphKind
from graphs.lowering import lower_for_cpu
from graphs.own_score import reads_own_score
from graphs.surgery import (
    batched,
    make_model,
    metadata_of,
    opset_of,
    prune,
    rename_values,
    sort_nodes,
    tensor_value,
)

KEY_STEP = "dowser.step"
"""Metadata key of spliced graphs; they are of no kind themselves."""


def splice(
    generator: onnx.ModelProto, classifier: onnx.ModelProto, head: onnx.ModelProto, *, for_cpu: bool = True
) -> onnx.ModelProto:
    """Join generator, classifier and acquisition head into the graph of one optimizer step.

    Args:
        generator: With pullback.
        classifier: With pullback, for the generator's samples.
        head: For the classifier's logits.
        for_cpu: Rewrite what ONNX Runtime's CPU provider runs slowly (`lower_for_cpu`); False for the GPU.

    Returns:
        A graph z [B, Z] -> score [B], dz [B, Z] (the gradient of the sum of scores, each sample's own), x [B,
        ...], logits [B, C] or [T, B, C]. A classifier's embedding is left out.

    Raises:
        GraphError: NO_PULLBACK if generator or classifier has none; SHAPE_MISMATCH with both shapes if one's
            output is not the next one's input; whatever `check` finds.
    """
    made, classified, scored = (
        check(generator, GraphKind.GENERATOR),
        check(classifier, GraphKind.CLASSIFIER),
        check(head, GraphKind.ACQUISITION),
    )
    for info in (made, classified):
        if not info.has_pullback:
            raise GraphError(
                GraphErrorCode.NO_PULLBACK,
                f"the {info.kind} has no pullback, so no gradient can pass it; export it with "
                "export_pullback, derive one with derive_pullback, or search without gradients",
                kind=info.kind.value,
            )
    _match_samples(made, classified)
    _match_logits(classified, scored)
    if for_cpu:  # before they are joined: a generator that is lowered already costs nothing here
        generator, classifier = lower_for_cpu(generator), lower_for_cpu(classifier)
    return _join(
        {"generator": generator, "classifier": classifier, "head": head},
        {
            "generator": {"z": "z", "x": "x", "dx": "dx", "dz": "dz"},
            "classifier": {"x": "x", "logits": "logits", "dlogits": "dlogits", "dx": "dx"},
            "head": {"logits": "logits", "score": "score", "dlogits": "dlogits"},
        },
        inputs=[batched("z", made.input_shape)],
        outputs=[
            tensor_value("score", ["B"]),
            batched("dz", made.input_shape),
            batched("x", made.output_shape),
            batched("logits", classified.output_shape, classified.passes),
        ],
    )


def forward(
    classifier: onnx.ModelProto,
    head: onnx.ModelProto,
    *,
    also: Sequence[onnx.ModelProto] = (),
    embedding: bool = False,
) -> onnx.ModelProto:
    """Join classifier and heads for scoring real samples, without any backward node.

    Args:
        classifier: With or without pullback; where it gives probabilities, logits are their logarithms.
        head: Acquisition head; it may read the classifier's own score instead of its logits.
        also: Further heads of the same classifier.
        embedding: Whether to give the classifier's embedding too, if it has one.

    Returns:
        A graph x [B, ...] -> logits, score [B], one score_1, score_2, ... [B] for each further head, and maybe
        embedding [B, E].

    Raises:
        GraphError: SHAPE_MISMATCH if a head takes other logits; WRONG_OUTPUTS if it reads a score that the classifier
            does not give; whatever `check` finds.
    """
    classified = check(classifier, GraphKind.CLASSIFIER)
    heads = {"head": head} | {f"head_{number}": each for number, each in enumerate(also, start=1)}
    own = {name for name, each in heads.items() if reads_own_score(each)}
    for name, each in heads.items():
        scored = check(each, GraphKind.ACQUISITION)
        if name not in own:
            _match_logits(classified, scored)
    scores = {name: name.replace("head", "score") for name in heads}
    outputs = [
        batched("logits", classified.output_shape, classified.passes),
        *(tensor_value(score, ["B"]) for score in scores.values()),
    ]
    embeds = embedding and classified.has_embedding
    if embeds:
        described = next(value for value in classifier.graph.output if value.name == "embedding")
        outputs.append(batched("embedding", [described.type.tensor_type.shape.dim[1].dim_value]))
    plain = forward_only(
        as_logits(classifier, classified),
        ["logits", *(["embedding"] if embeds else []), *(["score"] if own else [])],
    )
    return _join(
        {"classifier": _with_score_column(plain) if own else plain, **heads},
        {
            "classifier": {name: name for name in ("x", "logits", "embedding", _SCORE_COLUMN)},
            **{
                name: {"logits": _SCORE_COLUMN if name in own else "logits", "score": score}
                for name, score in scores.items()
            },
        },
        inputs=[batched("x", classified.input_shape)],
        outputs=outputs,
    )


_SCORE_COLUMN = "own_score"


def _with_score_column(classifier: onnx.ModelProto) -> onnx.ModelProto:
    """Turn a classifier's score [B] into an output [B, 1], as the heads that read it take it; it is changed."""
    graph = classifier.graph
    graph.initializer.append(helper.make_tensor("own_score_axis", onnx.TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Unsqueeze", ["score", "own_score_axis"], [_SCORE_COLUMN]))
    others = [value for value in graph.output if value.name != "score"]
    del graph.output[:]
    graph.output.extend([*others, batched(_SCORE_COLUMN, [1])])
    return classifier


def synthesis_forward(
    generator: onnx.ModelProto, classifier: onnx.ModelProto, head: onnx.ModelProto, *, for_cpu: bool = True
) -> onnx.ModelProto:
    """Join generator, classifier and head for scoring latents, without any backward node.

    Args:
        generator: With or without pullback.
        classifier: With or without pullback, for the generator's samples; logits or probabilities.
        head: For the classifier's logits.
        for_cpu: Rewrite what ONNX Runtime's CPU provider runs slowly; False for the GPU.

    Returns:
        A graph z [B, Z] -> score [B], x [B, ...].

    Raises:
        GraphError: SHAPE_MISMATCH with both shapes if one's output is not the next one's input; whatever `check`
            finds.
    """
    made, classified = check(generator, GraphKind.GENERATOR), check(classifier, GraphKind.CLASSIFIER)
    _match_samples(made, classified)
    scoring = forward(classifier, head)
    joined = _join(
        {"generator": forward_only(generator, ["x"]), "scoring": forward_only(scoring, ["score"])},
        {"generator": {"z": "z", "x": "x"}, "scoring": {"x": "x", "score": "score"}},
        inputs=[batched("z", made.input_shape)],
        outputs=[tensor_value("score", ["B"]), batched("x", made.output_shape)],
    )
    return lower_for_cpu(joined) if for_cpu else joined


def generator_forward(generator: onnx.ModelProto, *, for_cpu: bool = True) -> onnx.ModelProto:
    """Return the generator's forward part alone, z -> x, rewritten for speed on the CPU by default."""
    plain = forward_only(generator, ["x"])
    return lower_for_cpu(plain) if for_cpu else plain


def forward_only(model: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """Keep only what some outputs need; a graph pruned to its value has no cotangent input left.

    Args:
        model: The graph; not changed.
        outputs: Names of its outputs to keep, in the order wanted.

    Raises:
        GraphError: WRONG_OUTPUTS if the graph has no such output.
    """
    described = {value.name: value for value in model.graph.output}
    missing = [name for name in outputs if name not in described]
    if missing:
        raise GraphError(
            GraphErrorCode.WRONG_OUTPUTS,
            f"the graph has no output {', '.join(missing)}; it has {', '.join(described)}",
            outputs=", ".join(described),
        )
    pruned = onnx.ModelProto()
    pruned.CopyFrom(model)
    pruned.graph.CopyFrom(prune(model.graph, [described[name] for name in outputs]))
    return pruned


def _match_samples(made: GraphInfo, classified: GraphInfo) -> None:
    if made.output_shape != classified.input_shape:
        raise GraphError(
            GraphErrorCode.SHAPE_MISMATCH,
            f"the generator makes samples of shape {list(made.output_shape)}, the classifier takes "
            f"{list(classified.input_shape)}: use a classifier trained on this bundle's samples",
            generator=list(made.output_shape),
            classifier=list(classified.input_shape),
        )


def _match_logits(classified: GraphInfo, scored: GraphInfo) -> None:
    """Check that the head takes the classifier's logits: deterministic or not, passes, classes."""
    given = [classified.passes, *classified.output_shape]
    taken = [scored.passes, *scored.input_shape]
    free = [i for i, n in enumerate(taken) if n == -1]
    same = (given[0] is None) == (taken[0] is None)
    if not same or any(a != b for i, (a, b) in enumerate(zip(given, taken, strict=True)) if i not in free):
        raise GraphError(
            GraphErrorCode.SHAPE_MISMATCH,
            f"the classifier gives logits {_logits(given)}, the acquisition head takes {_logits(taken)}: "
            "choose a head for this number of passes and classes",
            classifier=_logits(given),
            head=_logits(taken),
        )


def _logits(parts: Sequence[int | None]) -> str:
    passes, classes = parts
    names = ["B", "C" if classes == -1 else str(classes)]
    return f"[{', '.join(names if passes is None else ['T' if passes == -1 else str(passes), *names])}]"


def as_logits(classifier: onnx.ModelProto, info: GraphInfo) -> onnx.ModelProto:
    """Append log(max(p, tiny)) to a classifier that gives probabilities: its softmax is p again.

    Args:
        classifier: The classifier; not changed, and returned as it is where it gives logits.
        info: What `check` says of it.
    """
    output = next(value for value in classifier.graph.output if value.name in ("logits", "probabilities"))
    if info.output == "logits":
        return classifier
    plain = onnx.ModelProto()
    plain.CopyFrom(classifier)
    kept = {"x": "x", "embedding": "embedding", "score": "score", output.name: "p"}
    graph = rename_values(plain.graph, lambda name: kept.get(name, f"raw/{name}"))
    graph.initializer.append(helper.make_tensor("tiny", onnx.TensorProto.FLOAT, [], [1e-30]))
    graph.node.append(helper.make_node("Max", ["p", "tiny"], ["clipped"]))
    graph.node.append(helper.make_node("Log", ["clipped"], ["logits"]))
    others = [value for value in graph.output if value.name in ("embedding", "score")]
    del graph.output[:]
    graph.output.extend([batched("logits", info.output_shape, info.passes), *others])
    plain.graph.CopyFrom(graph)
    return plain


def _join(
    models: Mapping[str, onnx.ModelProto],
    interfaces: Mapping[str, Mapping[str, str]],
    *,
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
) -> onnx.ModelProto:
    """Put graphs side by side, their values prefixed but for the interface, then sort and prune.

    A value of the interface that a graph computes and another reads is thereby connected.
    """
    whole = onnx.GraphProto(
        name="dowser_step" if {"generator", "head"} <= models.keys() else "dowser_forward"
    )
    opsets: dict[str, int] = {}
    metadata = {KEY_STEP: " ".join(models)}
    for prefix, original in models.items():
        model = at_pinned_opset(original)
        interface = interfaces[prefix]
        stored = {tensor.name for tensor in model.graph.initializer}
        ends = {value.name for value in (*model.graph.input, *model.graph.output)} - stored
        names = {name: interface[name] for name in ends if name in interface}
        part = rename_values(model.graph, partial(_name_in_whole, prefix=prefix, shared=names))
        for node in part.node:
            node.name = f"{prefix}/{node.name}" if node.name else ""
        whole.node.extend(part.node)
        whole.initializer.extend(part.initializer)
        for entry in model.opset_import:
            opsets[entry.domain] = max(entry.version, opsets.get(entry.domain, 0))
        metadata |= {f"{prefix}.{k}": v for k, v in metadata_of(model).items() if k != KEY_KIND}
    known = [value.name for value in inputs] + [tensor.name for tensor in whole.initializer]
    pruned = prune(whole, outputs, inputs)
    ordered = sort_nodes(pruned.node, known)
    del pruned.node[:]
    pruned.node.extend(ordered)
    opsets.pop("ai.onnx", None)
    return make_model(pruned, opsets, metadata)


def at_pinned_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Convert a graph to the pinned opset; one already there passes through.

    Raises:
        GraphError: UNSUPPORTED_OPSET if onnx cannot convert it.
    """
    opset = opset_of(model)
    if opset == OPSET:
        return model
    try:
        return version_converter.convert_version(model, OPSET)
    except Exception as error:
        raise GraphError(
            GraphErrorCode.UNSUPPORTED_OPSET,
            f"the graph uses opset {opset} and cannot be converted to {OPSET} ({error}); export it with "
            f"opset {OPSET}",
            opset=opset,
        ) from error


def _name_in_whole(name: str, *, prefix: str, shared: Mapping[str, str]) -> str:
    """Return the agreed name of a value that parts share, and a prefixed one for what is a part's own."""
    return shared.get(name, f"{prefix}/{name}")
