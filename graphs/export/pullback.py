"""Export a torch module as a graph of the contract, with or without its pullback."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx
import torch
from torch import Tensor, nn

from graphs.autodiff import add_pullback
from graphs.check import check
from graphs.contract import KEY_OUTPUT, KEY_TORCH_VERSION, SIGNATURES, GraphError, GraphErrorCode, GraphKind
from graphs.export.trace import Wrapped, evaluating, trace
from graphs.export.verify import TOLERANCE, verify_graph
from graphs.surgery import batched, contract_metadata, make_model, set_metadata

Function = nn.Module | Callable[[Tensor], Tensor | tuple[Tensor, ...]]
"""A module, or any torch function of one tensor."""


def export_pullback(
    module: Function,
    example: Tensor,
    *,
    kind: GraphKind = GraphKind.CLASSIFIER,
    metadata: Mapping[str, str] | None = None,
    verify: bool = True,
    batch_sizes: Sequence[int] = (1, 2, 5),
    tolerance: float = TOLERANCE,
) -> onnx.ModelProto:
    """Turn a torch module into one ONNX graph together with its vector-Jacobian product.

    The module runs in eval mode (restored afterwards). A generator maps z [B, Z] to x [B, ...]; a classifier
    maps x [B, ...] to logits [B, C], or to a tuple of them, its embedding [B, E] and a score [B] of its own, of
    which either may be left out; a stochastic one gives logits [T, B, C]. The pullback is the logits'.

    Args:
        module: The module or function; its weights stay named initializers, so that `refresh` can renew them.
        example: float32 [B, ...], at least one sample like those the graph will get.
        kind: GENERATOR or CLASSIFIER.
        metadata: Extra entries for the graph's metadata.
        verify: Compare values and gradients with torch under ONNX Runtime.
        batch_sizes: Batch sizes to verify.
        tolerance: Largest error allowed, relative to the largest absolute value of each tensor.

    Raises:
        GraphError: UNSUPPORTED_OPERATOR naming what cannot be exported or differentiated; EXPORT_FAILED;
            WRONG_DTYPE or WRONG_SHAPE for a wrong example or output; GRADIENT_MISMATCH if the graph differs.
    """
    if kind not in (GraphKind.GENERATOR, GraphKind.CLASSIFIER):
        raise GraphError(
            GraphErrorCode.WRONG_KIND, f"a {kind} has no pullback; use export_forward for it", kind=kind.value
        )
    return _export(module, example, kind, metadata, verify, batch_sizes, tolerance, pullback=True)


def export_forward(
    module: Function,
    example: Tensor,
    *,
    kind: GraphKind = GraphKind.ENCODER,
    metadata: Mapping[str, str] | None = None,
    probabilities: bool = False,
    verify: bool = True,
    batch_sizes: Sequence[int] = (1, 2, 5),
    tolerance: float = TOLERANCE,
) -> onnx.ModelProto:
    """Turn a torch module into a plain forward graph: an encoder, or another kind without pullback.

    Args:
        module: The module or function.
        example: float32 [B, ...], at least one sample.
        kind: Any kind but ACQUISITION.
        metadata: Extra entries for the graph's metadata.
        probabilities: Whether a classifier gives probabilities and not logits.
        verify: Compare with torch under ONNX Runtime.
        batch_sizes: Batch sizes to verify.
        tolerance: Largest error allowed, relative to the largest absolute value.

    Raises:
        GraphError: As `export_pullback`.
    """
    if kind is GraphKind.ACQUISITION:
        raise GraphError(
            GraphErrorCode.WRONG_KIND, "acquisition heads are written as ONNX, not exported from torch"
        )
    extra = dict(metadata or {})
    if probabilities:
        extra[KEY_OUTPUT] = "probabilities"
    return _export(module, example, kind, extra, verify, batch_sizes, tolerance, pullback=False)


def _export(
    function: Function,
    example: Tensor,
    kind: GraphKind,
    metadata: Mapping[str, str] | None,
    verify: bool,
    batch_sizes: Sequence[int],
    tolerance: float,
    *,
    pullback: bool,
) -> onnx.ModelProto:
    module = function if isinstance(function, nn.Module) else Wrapped(function)
    if example.dtype != torch.float32 or example.ndim < 2 or len(example) < 1:
        raise GraphError(
            GraphErrorCode.WRONG_DTYPE if example.dtype != torch.float32 else GraphErrorCode.WRONG_SHAPE,
            f"the example must be float32 [B, ...] with at least one sample, not {example.dtype} "
            f"{list(example.shape)}",
        )
    with evaluating(module):
        shapes = _output_shapes(module, example, kind)
        names = SIGNATURES[kind]
        output = "probabilities" if dict(metadata or {}).get(KEY_OUTPUT) == "probabilities" else names.output
        output_names = [output, *("score" if len(shape) == 1 else "embedding" for shape in shapes[1:])]
        forward = _described(trace(module, example, names.input, output_names), example, output_names, shapes)
        model = forward
        if pullback and names.cotangent and names.gradient:
            model = add_pullback(
                forward, source=names.input, target=output, cotangent=names.cotangent, gradient=names.gradient
            )
        shape = shapes[0][2 if len(shapes[0]) == 3 and kind is GraphKind.CLASSIFIER else 1 :]
        entries = contract_metadata(kind, example.shape[1:], shape, metadata) | {
            KEY_TORCH_VERSION: torch.__version__
        }
        set_metadata(model, entries)
        check(model, kind)
        if verify:
            verify_graph(
                model,
                module,
                example,
                kind,
                output_names,
                pullback=pullback,
                batch_sizes=batch_sizes,
                tolerance=tolerance,
            )
    return model


def _output_shapes(module: nn.Module, example: Tensor, kind: GraphKind) -> list[tuple[int, ...]]:
    """Run the module once on two samples and check the shapes of what it gives."""
    probe = example[:1].expand(2, *example.shape[1:]).clone()
    with torch.no_grad():
        result = module(probe)
    outputs = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(value, Tensor) and value.dtype == torch.float32 for value in outputs):
        raise GraphError(
            GraphErrorCode.WRONG_DTYPE, f"the module must give float32 tensors, not {type(result)}"
        )
    shapes = [tuple(value.shape) for value in outputs]
    stochastic = kind is GraphKind.CLASSIFIER and len(shapes[0]) == 3
    right = len(shapes[0]) >= 2 and shapes[0][1 if stochastic else 0] == 2
    if kind in (GraphKind.CLASSIFIER, GraphKind.ENCODER):
        right = right and (len(shapes[0]) == 2 or stochastic)
    ranks = [len(shape) for shape in shapes[1:]]
    known = ranks in ([], [2], [1], [2, 1]) if kind is GraphKind.CLASSIFIER else not ranks
    if not right or not known or any(shape[0] != 2 for shape in shapes[1:]):
        wanted = {
            GraphKind.GENERATOR: "x [B, ...]",
            GraphKind.CLASSIFIER: "logits [B, C] or [T, B, C], alone or before embedding [B, E], score [B] or both",
        }.get(kind, "features [B, D]")
        raise GraphError(
            GraphErrorCode.WRONG_SHAPE,
            f"for 2 samples the module gave shapes {shapes}; a {kind} gives {wanted}",
            shapes=shapes,
        )
    return shapes


def _described(
    model: onnx.ModelProto, example: Tensor, output_names: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> onnx.ModelProto:
    """Describe inputs and outputs in the contract's terms; `shapes` are those for two samples."""
    batch_name = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    for value in graph.value_info:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == batch_name:
                dim.dim_param = "B"
    del graph.input[:], graph.output[:]
    graph.input.append(batched(model.graph.input[0].name, example.shape[1:]))
    for name, shape in zip(output_names, shapes, strict=True):
        stochastic = len(shape) == 3 and name in ("logits", "probabilities")
        graph.output.append(
            batched(name, shape[2:], passes=shape[0]) if stochastic else batched(name, shape[1:])
        )
    return make_model(graph)
