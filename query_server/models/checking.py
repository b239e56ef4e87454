"""From uploaded bytes to a checked classifier: static policy, contract, the pool's shape, and one run on zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from graphs import GraphError, GraphInfo, GraphKind, Limits, check, load_untrusted, without_denormals
from query_server.errors import classifier_mismatch, classifier_rejected
from query_server.models.runtime import Runtime, is_out_of_memory

MAX_VALUES_PER_SAMPLE = 2**16
"""Most numbers a classifier may say of one sample: classes, times passes, and the embedding."""


@dataclass(frozen=True, kw_only=True)
class ClassifierInfo:
    """What an uploaded classifier is.

    Attributes:
        id: ``"sha256:"`` and the hexadecimal digest of its bytes.
        size_bytes: Size of the upload.
        input_shape: Shape of one x, without the batch.
        classes: Number of logits C; 1 is one logit of a binary classifier.
        passes: Stochastic passes T; 0 when deterministic.
        has_pullback: Whether it carries its gradient.
        embedding_dim: Width E of the embedding output; 0 without one.
        has_score: Whether it gives a score of its own.
    """

    id: str
    size_bytes: int
    input_shape: tuple[int, ...]
    classes: int
    passes: int
    has_pullback: bool
    embedding_dim: int
    has_score: bool = False


def read_classifier(
    classifier_id: str, data: bytes, *, input_shape: tuple[int, ...], max_bytes: int
) -> tuple[onnx.ModelProto, ClassifierInfo]:
    """Parse an upload and hold it against the policy, the contract and the pool.

    Returns:
        The graph as it is run, without denormal weights, and what it is.

    Raises:
        DowserError: CLASSIFIER_REJECTED or CLASSIFIER_MISMATCH.
    """
    try:
        model = load_untrusted(data, Limits(max_bytes=max_bytes))
        graph = check(model, GraphKind.CLASSIFIER)
    except GraphError as error:
        raise classifier_rejected(str(error.code), str(error), metadata=error.metadata) from None
    info = _describe(classifier_id, len(data), graph, model)
    if info.input_shape != input_shape:
        raise classifier_mismatch(info.input_shape, input_shape)
    values = values_per_sample(info)
    if values > MAX_VALUES_PER_SAMPLE:
        raise classifier_rejected(
            "TOO_LARGE",
            f"the classifier says {values} numbers of each sample (classes, times passes, and the embedding); the "
            f"limit is {MAX_VALUES_PER_SAMPLE}: use fewer classes or passes, or a narrower embedding",
            metadata={"value": str(values), "limit": str(MAX_VALUES_PER_SAMPLE)},
        )
    return without_denormals(model), info


def values_per_sample(info: ClassifierInfo) -> int:
    """Return how many numbers a classifier says of one sample: logits, embedding and score."""
    return info.classes * max(1, info.passes) + info.embedding_dim + info.has_score


def probe(model: onnx.ModelProto, info: ClassifierInfo, runtime: Runtime) -> None:
    """Run the classifier once: a graph that checks and does not run is refused at the upload, not at the round.

    Raises:
        DowserError: CLASSIFIER_REJECTED.
        MemoryError: Where memory does not suffice; another process might have more left.
    """
    inputs = {"x": np.zeros((2, *info.input_shape), np.float32)}
    logits_shape = (info.passes, 2, info.classes) if info.passes else (2, info.classes)
    if info.has_pullback:
        inputs["dlogits"] = np.zeros(logits_shape, np.float32)
    outputs = {value.name for value in model.graph.output}
    main = "logits" if "logits" in outputs else "probabilities"
    named = (main, "score") if info.has_score else (main,)
    try:
        logits, *scores = runtime.session(model).run(named, inputs)
    except Exception as error:  # ONNX Runtime raises classes of its own that share no public base
        if is_out_of_memory(error):
            raise MemoryError(str(error)) from None
        raise classifier_rejected("DOES_NOT_RUN", f"the classifier does not run: {error}") from None
    if logits.shape != logits_shape:
        raise classifier_rejected(
            "WRONG_SHAPE", f"the classifier made {main} {list(logits.shape)}, not {list(logits_shape)}"
        )
    if scores and scores[0].shape != (2,):
        raise classifier_rejected(
            "WRONG_SHAPE", f"the classifier made score {list(scores[0].shape)} of 2 samples, not [2]"
        )


def _describe(
    classifier_id: str, size_bytes: int, graph: GraphInfo, model: onnx.ModelProto
) -> ClassifierInfo:
    embeddings = [value for value in model.graph.output if value.name == "embedding"]
    return ClassifierInfo(
        id=classifier_id,
        size_bytes=size_bytes,
        input_shape=tuple(graph.input_shape),
        classes=int(graph.output_shape[-1]),
        passes=graph.passes or 0,
        has_pullback=graph.has_pullback,
        embedding_dim=embeddings[0].type.tensor_type.shape.dim[1].dim_value if embeddings else 0,
        has_score=graph.has_score,
    )
