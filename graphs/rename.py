"""Bring a classifier exported by another tool to the names and shapes of the contract.

Converters of scikit-learn, XGBoost or LightGBM name things as they like, give labels beside probabilities, and take
flat features where a pool's x may be an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, shape_inference

from graphs.check import check
from graphs.contract import KEY_OUTPUT, GraphError, GraphErrorCode, GraphKind
from graphs.splice import forward_only
from graphs.surgery import (
    as_model,
    batched,
    contract_metadata,
    dims_of,
    make_model,
    metadata_of,
    rename_values,
)


def as_classifier(
    model: onnx.ModelProto | bytes | Path,
    *,
    input_name: str,
    output_name: str,
    probabilities: bool = False,
    input_shape: Sequence[int] | None = None,
) -> onnx.ModelProto:
    """Rename a forward graph to a classifier of the contract and drop its other outputs.

    Args:
        model: The graph, its bytes or its file, with one float32 input [B, ...]; not changed.
        input_name: The input that becomes ``x``.
        output_name: The output float32 [B, C] that becomes ``logits`` or ``probabilities``.
        probabilities: Whether the output is probabilities and not logits.
        input_shape: Shape of one x where it differs from what the graph takes; x is then reshaped in front, an image
            [B, 1, 8, 8] to features [B, 64] for example. By default the graph's own.

    Returns:
        A graph x [B, *input_shape] -> logits or probabilities [B, C], of the graph's own opset.

    Raises:
        GraphError: WRONG_INPUTS or WRONG_OUTPUTS where there is no such name or the output needs other inputs;
            WRONG_SHAPE where a shape is not known or the input's sizes differ; whatever `check` finds.
    """
    parsed = as_model(model)
    plain = forward_only(parsed, [output_name])
    stored = {tensor.name for tensor in plain.graph.initializer}
    inputs = {value.name: value for value in plain.graph.input if value.name not in stored}
    if set(inputs) != {input_name}:
        raise GraphError(
            GraphErrorCode.WRONG_INPUTS,
            f"{output_name!r} must need the input {input_name!r} and no other, it needs {sorted(inputs)}",
            inputs=", ".join(sorted(inputs)),
        )
    inferred = shape_inference.infer_shapes(plain).graph
    taken = _sizes(inputs[input_name])
    given = _sizes(inferred.output[0])
    wanted = tuple(taken if input_shape is None else input_shape)
    if prod(wanted) != prod(taken):
        raise GraphError(
            GraphErrorCode.WRONG_SHAPE,
            f"the graph takes {list(taken)} for one sample, which is no reshaped {list(wanted)}",
            tensor=input_name,
            shape=list(taken),
        )
    main = "probabilities" if probabilities else "logits"
    source = "x" if wanted == taken else "raw/reshaped"
    names = {input_name: source, output_name: main}
    graph = rename_values(plain.graph, lambda name: names.get(name, f"raw/{name}/"))
    if wanted != taken:
        graph.initializer.append(numpy_helper.from_array(np.array([-1, *taken], np.int64), "raw/shape"))
        graph.node.insert(0, helper.make_node("Reshape", ["x", "raw/shape"], ["raw/reshaped"]))
    del graph.input[:], graph.output[:], graph.value_info[:]
    graph.input.append(batched("x", wanted))
    graph.output.append(batched(main, given))
    opsets = {"" if e.domain == "ai.onnx" else e.domain: e.version for e in parsed.opset_import}
    metadata = contract_metadata(GraphKind.CLASSIFIER, wanted, given, metadata_of(parsed))
    renamed = make_model(graph, opsets, metadata | {KEY_OUTPUT: main})
    check(renamed, GraphKind.CLASSIFIER)
    return renamed


def _sizes(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Return the static dimensions behind the batch."""
    dims = dims_of(value)
    if dims is None or len(dims) < 2 or not all(isinstance(d, int) and d > 0 for d in dims[1:]):
        raise GraphError(
            GraphErrorCode.WRONG_SHAPE,
            f"{value.name!r} has shape {None if dims is None else list(dims)}: all its dimensions but the batch must "
            "be static; declare them in the export",
            tensor=value.name,
        )
    return tuple(d for d in dims[1:] if isinstance(d, int))
