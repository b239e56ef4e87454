"""Small, pure operations on ONNX graphs that the other modules share: walk, sort, prune, rename, describe."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import helper

from graphs.contract import (
    BATCH,
    CONTRACT,
    IR_VERSION,
    KEY_CONTRACT,
    KEY_INPUT_SHAPE,
    KEY_KIND,
    KEY_ONNX_VERSION,
    KEY_OUTPUT_SHAPE,
    OPSET,
    GraphError,
    GraphErrorCode,
    GraphKind,
)

Dim = int | str | None
"""One dimension: its size, the name of a dynamic one, or None where nothing is known."""


def as_model(model: onnx.ModelProto | bytes | Path) -> onnx.ModelProto:
    """Parse a graph from bytes or a file without ever reading external data; a ModelProto passes through.

    Raises:
        GraphError: NOT_ONNX if the bytes are no ONNX model.
    """
    if isinstance(model, onnx.ModelProto):
        return model
    data = model.read_bytes() if isinstance(model, Path) else model
    try:
        parsed = onnx.load_model_from_string(data)
    except (
        Exception
    ) as error:  # protobuf raises its own DecodeError, whose class differs between implementations
        raise GraphError(
            GraphErrorCode.NOT_ONNX, f"not an ONNX model ({len(data)} bytes): {error}"
        ) from error
    if not parsed.HasField("graph") or not parsed.opset_import:
        raise GraphError(
            GraphErrorCode.NOT_ONNX,
            f"not an ONNX model: {len(data)} bytes parsed, but without a graph or an opset; save it with "
            "onnx.save",
        )
    return parsed


def opset_of(model: onnx.ModelProto, domain: str = "") -> int:
    """Return the version of an operator domain, or 0 where the model does not import it."""
    aliases = {"", "ai.onnx"} if domain in {"", "ai.onnx"} else {domain}
    return max((entry.version for entry in model.opset_import if entry.domain in aliases), default=0)


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """Return the model's metadata_props as a dictionary."""
    return {entry.key: entry.value for entry in model.metadata_props}


def set_metadata(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Merge entries into the model's metadata_props, in place."""
    merged = metadata_of(model) | dict(metadata)
    del model.metadata_props[:]
    for key, value in merged.items():
        model.metadata_props.add(key=key, value=value)


def contract_metadata(
    kind: GraphKind,
    input_shape: Sequence[int],
    output_shape: Sequence[int],
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Build the metadata every graph of the contract carries, with free extra entries."""
    return {
        KEY_KIND: kind.value,
        KEY_CONTRACT: CONTRACT,
        KEY_INPUT_SHAPE: json.dumps(list(input_shape)),
        KEY_OUTPUT_SHAPE: json.dumps(list(output_shape)),
        KEY_ONNX_VERSION: onnx.__version__,
        **(extra or {}),
    }


def dims_of(value: onnx.ValueInfoProto) -> tuple[Dim, ...] | None:
    """Return a value's dimensions, or None if even its rank is unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") else (d.dim_param or None) for d in tensor.shape.dim)


def tensor_value(name: str, dims: Iterable[Dim]) -> onnx.ValueInfoProto:
    """Describe a float32 value."""
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(dims))


def batched(name: str, shape: Iterable[int], passes: int | None = None) -> onnx.ValueInfoProto:
    """Describe a float32 value [B, *shape], or [T, B, *shape] with `passes`."""
    lead: list[Dim] = [BATCH] if passes is None else [passes if passes > 0 else "T", BATCH]
    return tensor_value(name, [*lead, *shape])


def producers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    """Map every value a node computes to that node."""
    return {name: node for node in graph.node for name in node.output if name}


def ancestors(graph: onnx.GraphProto, names: Iterable[str]) -> set[str]:
    """Return all values that the named ones depend on, themselves included. O(nodes)."""
    made_by = producers(graph)
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in made_by:
            todo.extend(i for i in made_by[name].input if i)
    return seen


def sort_nodes(nodes: Sequence[onnx.NodeProto], known: Iterable[str]) -> list[onnx.NodeProto]:
    """Sort nodes so that each comes after those it reads: first, in the given order, those that wait for no other.

    Args:
        nodes: The nodes, in any order.
        known: Names that exist before the first node: inputs and initializers.

    Raises:
        GraphError: NOT_ACYCLIC if nodes wait for each other or for a value nobody computes.
    """
    ready = set(known) | {""}
    waiting: dict[str, list[int]] = {}
    missing: list[int] = []
    for index, node in enumerate(nodes):
        needs = {name for name in node.input if name not in ready}
        missing.append(len(needs))
        for name in needs:
            waiting.setdefault(name, []).append(index)
    order: list[onnx.NodeProto] = []
    queue = deque(index for index, count in enumerate(missing) if count == 0)
    while queue:
        index = queue.popleft()
        order.append(nodes[index])
        for name in nodes[index].output:
            for reader in waiting.pop(name, ()):
                missing[reader] -= 1
                if missing[reader] == 0:
                    queue.append(reader)
    if len(order) < len(nodes):
        stuck = sorted(waiting)[:5]
        raise GraphError(
            GraphErrorCode.NOT_ACYCLIC,
            f"{len(nodes) - len(order)} of {len(nodes)} nodes can never run: they wait for "
            f"{', '.join(stuck)}, "
            "which nothing computes or which depend on each other",
            values=", ".join(stuck),
        )
    return order


def prune(
    graph: onnx.GraphProto,
    outputs: Sequence[onnx.ValueInfoProto],
    inputs: Sequence[onnx.ValueInfoProto] | None = None,
) -> onnx.GraphProto:
    """Keep only what the outputs need: a new graph without dead nodes, initializers and inputs.

    Args:
        graph: The graph to take from; not changed.
        outputs: The outputs to keep, described.
        inputs: Inputs to keep even where unused; by default those of `graph` that are needed.
    """
    needed = ancestors(graph, [value.name for value in outputs])
    kept = onnx.GraphProto(name=graph.name)
    kept.node.extend(node for node in graph.node if any(name in needed for name in node.output))
    read = {name for node in kept.node for name in node.input} | {value.name for value in outputs}
    kept.initializer.extend(tensor for tensor in graph.initializer if tensor.name in read)
    kept.input.extend(
        inputs if inputs is not None else [value for value in graph.input if value.name in read]
    )
    kept.output.extend(outputs)
    for node in kept.node:  # optional outputs nobody reads cost time (MaxPool's indices double its work)
        if node.op_type in _OPTIONAL_OUTPUTS and node.domain in ("", "ai.onnx"):
            while len(node.output) > 1 and node.output[-1] not in needed:
                node.output.pop()
    return kept


_OPTIONAL_OUTPUTS = {"MaxPool", "LayerNormalization", "Dropout", "BatchNormalization"}


def rename_values(graph: onnx.GraphProto, name_for: Callable[[str], str]) -> onnx.GraphProto:
    """Copy a graph with every value renamed; subgraphs are not entered."""
    renamed = onnx.GraphProto()
    renamed.CopyFrom(graph)
    for node in renamed.node:
        node.input[:] = [name_for(name) if name else "" for name in node.input]
        node.output[:] = [name_for(name) if name else "" for name in node.output]
    for tensor in renamed.initializer:
        tensor.name = name_for(tensor.name)
    for value in (*renamed.input, *renamed.output, *renamed.value_info):
        value.name = name_for(value.name)
    return renamed


def make_model(
    graph: onnx.GraphProto, opsets: Mapping[str, int] | None = None, metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """Wrap a graph in a model of the pinned opset and file format version."""
    domains = {"": OPSET} | dict(opsets or {})
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in domains.items()],
        producer_name="dowser",
    )
    model.ir_version = IR_VERSION
    set_metadata(model, metadata or {})
    return model
