"""Renew the weights of an exported graph without tracing again.

An active-learning loop retrains its classifier every round and keeps its architecture; an export takes about
a second, a refresh milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from graphs.check import check
from graphs.contract import KEY_KIND, SIGNATURES, GraphError, GraphErrorCode, GraphKind
from graphs.export.trace import WEIGHT_KEY, evaluating, weights_of
from graphs.export.verify import TOLERANCE, verify_graph
from graphs.surgery import metadata_of


def refresh(
    model: onnx.ModelProto,
    module: nn.Module,
    *,
    example: torch.Tensor | None = None,
    batch_sizes: Sequence[int] = (2,),
    tolerance: float = TOLERANCE,
) -> onnx.ModelProto:
    """Put a module's present weights into the graph exported from it (or from one of the same architecture).

    Args:
        model: A graph that `export_pullback` or `export_forward` made; not changed.
        module: The module with the new weights.
        example: float32 [B, ...] samples for the comparison with torch; by default normal noise.
        batch_sizes: Batch sizes to compare at.
        tolerance: Largest error allowed, relative to the largest absolute value.

    Raises:
        GraphError: REFRESH_MISMATCH if names or shapes of weights differ, or if the refreshed graph gives
            other values than the module; then export afresh.
    """
    kind = GraphKind(metadata_of(model).get(KEY_KIND, GraphKind.CLASSIFIER))
    info = check(model, kind)
    weights = weights_of(module)
    renewed = onnx.ModelProto()
    renewed.CopyFrom(model)
    for tensor in renewed.graph.initializer:
        name = next((entry.value for entry in tensor.metadata_props if entry.key == WEIGHT_KEY), None)
        if name is None:
            continue
        if name not in weights:
            raise _mismatch(f"the module has no weight {name!r} that the graph needs", name)
        array = weights[name].detach().cpu().numpy()
        if list(array.shape) != list(tensor.dims):
            raise _mismatch(
                f"weight {name!r} has shape {list(array.shape)}, the graph's {list(tensor.dims)}", name
            )
        old = numpy_helper.to_array(tensor)
        fresh = numpy_helper.from_array(np.ascontiguousarray(array.astype(old.dtype)), tensor.name)
        tensor.raw_data = fresh.raw_data
        for field in ("float_data", "int64_data", "int32_data", "double_data"):
            tensor.ClearField(field)
    device = next((weight.device for weight in weights.values()), torch.device("cpu"))
    if example is None:
        example = torch.randn((4, *info.input_shape), generator=torch.Generator().manual_seed(0)).to(device)
    names = SIGNATURES[kind]
    output = names.output if kind is not GraphKind.CLASSIFIER else info.output
    output_names = [
        output,
        *(["embedding"] if info.has_embedding else []),
        *(["score"] if info.has_score else []),
    ]
    with evaluating(module):
        verify_graph(
            renewed,
            module,
            example,
            kind,
            output_names,
            pullback=info.has_pullback,
            batch_sizes=batch_sizes,
            tolerance=tolerance,
            code=GraphErrorCode.REFRESH_MISMATCH,
        )
    return renewed


def _mismatch(why: str, name: str) -> GraphError:
    return GraphError(
        GraphErrorCode.REFRESH_MISMATCH,
        f"cannot refresh the graph: {why}; export the module afresh",
        weight=name,
    )
