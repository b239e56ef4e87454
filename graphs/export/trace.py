"""Torch module to plain forward ONNX graph, with every weight kept as a named initializer.

The exporter's optimizer would fold weights into constants of other shapes (batch norms into convolutions,
transposed matrices) and share or drop equal ones, after which new weights could not be swapped in. So it runs
while the weights are graph inputs, about which it can assume nothing, and they become initializers again
afterwards. ONNX Runtime folds them anyway when it loads the graph.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import onnx
import onnx_ir as ir
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from graphs.contract import IR_VERSION, OPSET, GraphError, GraphErrorCode
from graphs.export.translations import TRANSLATIONS
from graphs.surgery import prune

WEIGHT_KEY = "dowser.weight"
"""metadata_props key of an initializer that holds a parameter or buffer; the value is its name in the
module."""


class Wrapped(nn.Module):
    """Any torch function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor | tuple[Tensor, ...]]) -> None:
        """Keep the function."""
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Call it."""
        return self.function(x)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all its parts in eval mode and each back into its own mode afterwards."""
    modes = {part: part.training for part in module.modules()}
    fast = torch.backends.mha.get_fastpath_enabled()
    module.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused attention kernel has no ONNX translation
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for part, mode in modes.items():
            part.training = mode


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Return the module's parameters and buffers by name; shared ones under each of their names."""
    parameters = dict(module.named_parameters(remove_duplicate=False))
    return parameters | dict(module.named_buffers(remove_duplicate=False))


def trace(
    module: nn.Module, example: Tensor, input_name: str, output_names: Sequence[str]
) -> onnx.ModelProto:
    """Export the forward pass of a module in eval mode.

    Args:
        module: The module, already in eval mode.
        example: One or more samples [B, ...]; only shape, type and device matter.
        input_name: Name for the input.
        output_names: Names for the outputs, in the module's order.

    Returns:
        A model of the pinned opset, with shapes of intermediate values in value_info, weights as initializers
        that carry `WEIGHT_KEY`, and nothing folded into them.

    Raises:
        GraphError: UNSUPPORTED_OPERATOR with the operator's name, or EXPORT_FAILED.
    """
    batch = _unused_size(module, example)
    probe = example[:1].expand(batch, *example.shape[1:]).clone()
    with _quiet():
        try:
            program = torch.onnx.export(
                _captured(module, probe),
                (probe,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[input_name],
                output_names=list(output_names),
                custom_translation_table=dict(TRANSLATIONS),
                optimize=False,
                verbose=False,
            )
        except Exception as error:
            raise _explained(error) from error
    if program is None:
        raise GraphError(GraphErrorCode.EXPORT_FAILED, "torch.onnx.export returned nothing")
    return _optimized(program.model, weights_of(module))


def _captured(module: nn.Module, probe: Tensor) -> torch.export.ExportedProgram:
    """Trace the module with a dynamic batch; Python that fixes it (`len(x)`) needs the slower strict tracer."""
    shapes = ({0: torch.export.Dim("batch")},)
    try:
        return torch.export.export(module, (probe,), dynamic_shapes=shapes, strict=False)
    except Exception:
        return torch.export.export(module, (probe,), dynamic_shapes=shapes, strict=True)


def _unused_size(module: nn.Module, example: Tensor) -> int:
    """Find a batch size equal to no other size, since the trace would tie equal sizes together for good."""
    sizes: set[int] = {int(n) for tensor in (example[0], *weights_of(module).values()) for n in tensor.shape}
    primes = (7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83)
    free: list[int] = [size for size in (*primes, *range(101, 10_000)) if size not in sizes]
    return free[0]


def _optimized(model: ir.Model, weight_names: Iterable[str]) -> onnx.ModelProto:
    names = set(weight_names)
    held = {name: value for name, value in model.graph.initializers.items() if name in names}
    tensors = {name: value.const_value for name, value in held.items()}
    count = len(model.graph.inputs)
    for name, value in held.items():
        del model.graph.initializers[name]
        value.const_value = None
        model.graph.inputs.append(value)
    optimizer.optimize(model, num_iterations=2)
    del model.graph.inputs[count:]
    for name, value in held.items():
        value.const_value = tensors[name]
        value.metadata_props[WEIGHT_KEY] = name
        model.graph.register_initializer(value)
    proto = ir.to_proto(model)
    _normalize(proto, names)
    return proto


def _normalize(model: onnx.ModelProto, weight_names: set[str]) -> None:
    """Drop what the tracer left behind and mark the weights, in place."""
    model.ir_version = IR_VERSION
    model.producer_name = "dowser"
    model.ClearField("producer_version")
    graph = prune(model.graph, list(model.graph.output), list(model.graph.input))
    kept = {name for node in graph.node for name in node.output}
    graph.value_info.extend(value for value in model.graph.value_info if value.name in kept)
    graph.name = "dowser"
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        if node.op_type == "ConvTranspose":
            _tame_output_padding(node)
    for value in (*graph.input, *graph.output, *graph.value_info):
        del value.metadata_props[:]
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        if tensor.name in weight_names:
            tensor.metadata_props.add(key=WEIGHT_KEY, value=tensor.name)
    model.graph.CopyFrom(graph)
    del model.metadata_props[:]


_OPERATOR_PATTERNS = (
    r"No ONNX function found for <OpOverload\(op='([\w.:]+)'",
    r"(?:No decompositions|dispatch failed|unsupported|not support)[^\n]*?((?:aten|prims|torch)[.:]+\w+)",
)


def _tame_output_padding(node: onnx.NodeProto) -> None:
    """Turn output padding that reaches the stride, which ONNX Runtime refuses, into less padding at the end.

    Both make the output longer at its end, so where there is enough padding the one replaces the other exactly.
    """
    attributes = {a.name: a for a in node.attribute}
    if not {"output_padding", "pads", "strides"} <= attributes.keys():
        return
    extra, pads = attributes["output_padding"].ints, attributes["pads"].ints
    for axis, stride in enumerate(attributes["strides"].ints):
        end = len(extra) + axis
        if stride <= extra[axis] <= pads[end]:
            pads[end] -= extra[axis]
            extra[axis] = 0


def _explained(error: Exception) -> GraphError:
    """Find the operator an exporter's error is about, somewhere in its chain of causes."""
    seen: BaseException | None = error
    messages = []
    while seen is not None:
        messages.append(str(seen))
        seen = seen.__cause__ or seen.__context__
    text = "\n".join(messages)
    found = next((match for pattern in _OPERATOR_PATTERNS if (match := re.search(pattern, text))), None)
    if found:
        operator = found.group(1)
        return GraphError(
            GraphErrorCode.UNSUPPORTED_OPERATOR,
            f"the operator {operator} has no ONNX translation; replace it in the module by a covered one",
            operator=operator,
        )
    first = next((line for line in messages[-1].splitlines() if line.strip()), type(error).__name__)
    return GraphError(
        GraphErrorCode.EXPORT_FAILED,
        f"torch could not export the module: {first}; Python control flow on tensor values "
        "is the usual cause",
        cause=type(error).__name__,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's progress talk; its errors still come as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    children = [
        logging.getLogger("torch.onnx._internal.exporter._registration"),
        logging.getLogger("onnxscript"),
    ]
    levels = [child.level for child in children]
    for child in children:
        child.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        for child, old in zip(children, levels, strict=True):
            child.setLevel(old)
