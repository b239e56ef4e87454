"""Check a graph against the contract: names, types, shapes, and that its value ignores its cotangent."""

from __future__ import annotations

from pathlib import Path

import onnx

from graphs.contract import (
    CONTRACT,
    KEY_CONTRACT,
    KEY_KIND,
    KEY_OUTPUT,
    MAX_OPSET,
    MIN_OPSET,
    SIGNATURES,
    GraphError,
    GraphErrorCode,
    GraphInfo,
    GraphKind,
    Signature,
)
from graphs.surgery import Dim, ancestors, as_model, dims_of, metadata_of, opset_of, sort_nodes

_Shape = tuple[Dim, ...]


def check(model: onnx.ModelProto | bytes | Path, kind: GraphKind) -> GraphInfo:
    """Validate a graph against the contract of its kind.

    This checks form, not safety: for a graph from somebody else call `load_untrusted` first.

    Args:
        model: The graph, its bytes or its file.
        kind: What it must be.

    Returns:
        What the graph takes and gives.

    Raises:
        GraphError: With the stable reason, and a message that says what to change.
    """
    parsed = as_model(model)
    metadata = metadata_of(parsed)
    _check_declared(parsed, metadata, kind)
    graph = parsed.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: value for value in graph.input if value.name not in stored}
    outputs = {value.name: value for value in graph.output}
    names = SIGNATURES[kind]
    main = _main_output(kind, names, outputs)
    pullback = _check_names(kind, names, main, inputs, outputs)
    shapes = {name: _typed_shape(name, value) for name, value in (inputs | outputs).items()}
    passes = _check_shapes(kind, names, main, shapes)
    sort_nodes(graph.node, [*inputs, *stored])
    if (
        pullback
        and names.cotangent
        and names.cotangent in ancestors(graph, [n for n in outputs if n != names.gradient])
    ):
        raise GraphError(
            GraphErrorCode.PULLBACK_LEAK,
            f"an output other than {names.gradient!r} depends on {names.cotangent!r}: "
            "forward and backward pass cannot be separated; export value and vector-Jacobian product as two "
            "ends of one graph",
            cotangent=names.cotangent,
        )
    _check_onnx(parsed)
    lead = 2 if passes is not None else 1
    main_lead = lead if kind is GraphKind.CLASSIFIER else 1
    input_lead = lead if kind is GraphKind.ACQUISITION else 1
    return GraphInfo(
        kind=kind,
        input_shape=_static(shapes[names.input][input_lead:]),
        output_shape=_static(shapes[main][main_lead:]),
        passes=passes,
        has_pullback=pullback,
        has_embedding="embedding" in outputs,
        has_score=kind is GraphKind.CLASSIFIER and "score" in outputs,
        output=metadata.get(KEY_OUTPUT, main) if kind is GraphKind.CLASSIFIER else main,
        opset=opset_of(parsed),
        metadata=metadata,
    )


def _check_declared(model: onnx.ModelProto, metadata: dict[str, str], kind: GraphKind) -> None:
    """Check the opset and what the metadata say of the graph, where they say it."""
    opset = opset_of(model)
    if not MIN_OPSET <= opset <= MAX_OPSET:
        raise GraphError(
            GraphErrorCode.UNSUPPORTED_OPSET,
            f"the graph uses opset {opset}; {MIN_OPSET} to {MAX_OPSET} are supported: export "
            "it with another opset",
            opset=opset,
        )
    declared = metadata.get(KEY_KIND, kind.value)
    if declared != kind.value:
        raise GraphError(
            GraphErrorCode.WRONG_KIND, f"the graph says it is a {declared}, a {kind} is needed", kind=declared
        )
    version = metadata.get(KEY_CONTRACT, CONTRACT)
    if version != CONTRACT:
        raise GraphError(
            GraphErrorCode.WRONG_KIND,
            f"the graph follows contract version {version}, this is version {CONTRACT}: export it afresh",
            contract=version,
        )


def _main_output(kind: GraphKind, names: Signature, outputs: dict[str, onnx.ValueInfoProto]) -> str:
    if kind is GraphKind.CLASSIFIER and names.output not in outputs and "probabilities" in outputs:
        return "probabilities"
    return names.output


def _check_names(
    kind: GraphKind,
    names: Signature,
    main: str,
    inputs: dict[str, onnx.ValueInfoProto],
    outputs: dict[str, onnx.ValueInfoProto],
) -> bool:
    """Check input and output names; return whether the graph carries its pullback."""
    always = kind is GraphKind.ACQUISITION
    pullback = always or names.cotangent in inputs or names.gradient in outputs
    wanted_in = {names.input} | ({names.cotangent} if pullback and names.cotangent else set())
    wanted_out = {main} | ({names.gradient} if pullback and names.gradient else set())
    optional = {"embedding", "score"} if kind is GraphKind.CLASSIFIER else set()
    if set(inputs) != wanted_in:
        raise GraphError(
            GraphErrorCode.WRONG_INPUTS,
            f"a {kind} {'with' if pullback else 'without'} pullback has inputs "
            f"{sorted(map(str, wanted_in))}, "
            f"this graph has {sorted(inputs)}: rename them or export with graphs.export_pullback",
            inputs=", ".join(sorted(inputs)),
        )
    if not wanted_out <= set(outputs) <= wanted_out | optional:
        raise GraphError(
            GraphErrorCode.WRONG_OUTPUTS,
            f"a {kind} {'with' if pullback else 'without'} pullback has outputs "
            f"{sorted(map(str, wanted_out))}, "
            f"this graph has {sorted(outputs)}: rename them or export with graphs.export_pullback",
            outputs=", ".join(sorted(outputs)),
        )
    return pullback


def _typed_shape(name: str, value: onnx.ValueInfoProto) -> _Shape:
    number = value.type.tensor_type.elem_type
    if not value.type.HasField("tensor_type") or number != onnx.TensorProto.FLOAT:
        names = onnx.TensorProto.DataType
        kind = names.Name(number) if number in names.values() else f"type {number}"
        raise GraphError(
            GraphErrorCode.WRONG_DTYPE, f"{name!r} is {kind}, it must be a FLOAT tensor", tensor=name
        )
    dims = dims_of(value)
    if dims is None:
        raise GraphError(
            GraphErrorCode.WRONG_SHAPE, f"{name!r} has no declared shape; declare it", tensor=name
        )
    return dims


def _check_shapes(kind: GraphKind, names: Signature, main: str, shapes: dict[str, _Shape]) -> int | None:
    """Check ranks, sizes and dynamic batches; return the number of passes of stochastic logits."""
    logits = names.input if kind is GraphKind.ACQUISITION else main
    passes: int | None = None
    if kind in (GraphKind.CLASSIFIER, GraphKind.ACQUISITION):
        _rank(logits, shapes[logits], (2, 3))
        if len(shapes[logits]) == 3:
            first = shapes[logits][0]
            passes = first if isinstance(first, int) else -1
            if kind is GraphKind.CLASSIFIER and passes < 1:
                raise _wrong(logits, shapes[logits], "its number of passes T must be static")
    for name, shape in shapes.items():
        stochastic = passes is not None and name in (logits, "dlogits")
        if name in (names.input, names.cotangent, names.gradient) and len(shape) < 2:
            raise _wrong(name, shape, "it needs a batch dimension and at least one more")
        batch = shape[1 if stochastic else 0] if len(shape) > stochastic else 0
        if isinstance(batch, int):
            raise GraphError(
                GraphErrorCode.NOT_DYNAMIC_BATCH,
                f"{name!r} has shape {list(shape)}: its batch dimension is fixed at {batch}, "
                "it must be dynamic",
                tensor=name,
                shape=list(shape),
            )
        dynamic_classes = kind is GraphKind.ACQUISITION
        if not dynamic_classes and not all(
            isinstance(d, int) and d > 0 for d in shape[2 if stochastic else 1 :]
        ):
            raise _wrong(name, shape, "all its dimensions but the batch must be static")
    ranks = {GraphKind.ENCODER: {"features": 2}, GraphKind.ACQUISITION: {"score": 1}}.get(
        kind, {"embedding": 2, "score": 1}
    )
    if kind is GraphKind.GENERATOR:
        ranks = {"z": 2, "dz": 2}
    for name, rank in ranks.items():
        if name in shapes:
            _rank(name, shapes[name], (rank,))
    pairs = ((names.cotangent, main), (names.gradient, names.input))
    for end, like in pairs:
        if end and end in shapes and _numbers(shapes[end]) != _numbers(shapes[like]):
            raise _wrong(end, shapes[end], f"it must have the shape of {like!r}, {list(shapes[like])}")
    return passes


def _numbers(shape: _Shape) -> list[int | None]:
    return [d if isinstance(d, int) else None for d in shape]


def _static(shape: _Shape) -> tuple[int, ...]:
    return tuple(d if isinstance(d, int) else -1 for d in shape)


def _rank(name: str, shape: _Shape, ranks: tuple[int, ...]) -> None:
    if len(shape) not in ranks:
        raise _wrong(name, shape, f"it must have {' or '.join(map(str, ranks))} dimensions, batch included")


def _wrong(name: str | None, shape: _Shape, why: str) -> GraphError:
    return GraphError(
        GraphErrorCode.WRONG_SHAPE, f"{name!r} has shape {list(shape)}: {why}", tensor=name, shape=list(shape)
    )


def _check_onnx(model: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # the checker raises ValidationError, and plain errors for broken protobufs
        raise GraphError(GraphErrorCode.NOT_ONNX, f"the graph is no valid ONNX: {error}") from error
