"""The static policy for graphs uploaded by somebody else: what may be handed to ONNX Runtime at all.

Measured dangers this stands against: a 148 kB model with a 3000-deep chain of local functions kills the
process that loads it; a 73-byte ConstantOfShape model grows it by 500 MB and passes the checker; a model with
relative external data, loaded from bytes, reads files of the server's working directory into its output.

The policy is necessary and not sufficient: sizes that depend on values at run time cannot be known here. So
load and probe what passes in a process of its own, with memory and time limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference

from graphs.contract import GraphError, GraphErrorCode
from graphs.surgery import as_model, dims_of

_ELEMENTWISE = (
    "Abs Add And Cast CastLike Ceil Celu Clip Cos Div Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max "
    "Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign Sin Softplus "
    "Softsign Sqrt Sub Sum Tan Tanh ThresholdedRelu Where Xor "
)
_LAYERS = (
    "AveragePool BatchNormalization Conv ConvTranspose Dropout Einsum Gemm GlobalAveragePool "
    "GlobalMaxPool GroupNormalization InstanceNormalization LRN LayerNormalization LogSoftmax "
    "LpNormalization MatMul MaxPool MeanVarianceNormalization RMSNormalization Softmax GRU LSTM RNN "
)
_REDUCTIONS = (
    "ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean "
    "ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK "
)
_MOVEMENT = (
    "Concat Constant ConstantOfShape DepthToSpace Expand Flatten Gather GatherElements GatherND "
    "OneHot Pad Range Reshape Resize ScatterElements ScatterND Shape Size Slice SpaceToDepth Split "
    "Squeeze Tile Transpose Trilu Unsqueeze"
)
ALLOWED_OPERATORS = frozenset(f"{_ELEMENTWISE} {_LAYERS} {_REDUCTIONS} {_MOVEMENT}".split())
"""Operators of the default domain that may occur: no control flow, randomness, sequences, strings or
decoders."""

ALLOWED_ML_OPERATORS = frozenset(
    [
        "ArrayFeatureExtractor",
        "Binarizer",
        "FeatureVectorizer",
        "Imputer",
        "LinearClassifier",
        "LinearRegressor",
        "Normalizer",
        "SVMClassifier",
        "SVMRegressor",
        "Scaler",
        "TreeEnsemble",
        "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
        "ZipMap",
    ]
)
"""Operators of ai.onnx.ml that scikit-learn, XGBoost and LightGBM exports use."""

ALLOWED_DTYPES = frozenset({"FLOAT", "DOUBLE", "FLOAT16", "INT64", "INT32", "INT8", "UINT8", "BOOL"})
"""Types a stored tensor may have, and a cast may make."""

SIZE_ARGUMENTS = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Tile": (1,),
    "Range": (0, 1, 2),
    "Resize": (2, 3),
    "Pad": (1,),
    "OneHot": (1,),
}
"""Inputs that decide how large an operator's output is."""

MAX_SIZE_NUMBERS = 1024
"""Longest constant a size may be taken from."""

_SHAPE_CHAIN = frozenset(
    [
        "Shape",
        "Size",
        "Gather",
        "Slice",
        "Concat",
        "Squeeze",
        "Unsqueeze",
        "Cast",
        "Identity",
        "Reshape",
        "Constant",
    ]
)
_SIZE_ATTRIBUTES = frozenset(
    ["pads", "strides", "dilations", "kernel_shape", "output_padding", "output_shape", "blocksize", "group"]
)
_DEFAULT = ("", "ai.onnx")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How large an uploaded graph may be.

    Attributes:
        max_bytes: Size of the file.
        max_nodes: Number of nodes.
        max_tensors: Number of stored tensors.
        max_dimension: Any one declared or inferred dimension, and any pad, stride or kernel size.
        max_elements: Elements of any one value for one sample.
    """

    max_bytes: int = 64 * 2**20
    max_nodes: int = 20_000
    max_tensors: int = 20_000
    max_dimension: int = 2**24
    max_elements: int = 2**25


def load_untrusted(data: bytes, limits: Limits | None = None) -> onnx.ModelProto:
    """Parse an uploaded graph and hold it against the policy; nothing is executed and no file is opened.

    Args:
        data: The serialized model.
        limits: Size limits.

    Returns:
        The model, without its documentation and imports of operator domains it does not use.

    Raises:
        GraphError: NOT_ONNX, TOO_LARGE, EXTERNAL_DATA, LOCAL_FUNCTIONS, SPARSE_INITIALIZER, SUBGRAPH,
            UNKNOWN_DOMAIN, UNKNOWN_OPERATOR or WRONG_DTYPE.
    """
    limits = limits or Limits()
    if len(data) > limits.max_bytes:
        raise _too_large("the model", "bytes", len(data), limits.max_bytes)
    model = as_model(data)
    _refuse_features(model)
    graph = model.graph
    if len(graph.node) > limits.max_nodes:
        raise _too_large("the graph", "nodes", len(graph.node), limits.max_nodes)
    if len(graph.initializer) > limits.max_tensors:
        raise _too_large("the graph", "stored tensors", len(graph.initializer), limits.max_tensors)
    for tensor in graph.initializer:
        _check_tensor(tensor, limits)
    for node in graph.node:
        _check_node(node, limits)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _check_value(value, limits)
    _check_sizes_are_plain(graph, limits)
    used = {node.domain for node in graph.node} | {""}
    imports = [entry for entry in model.opset_import if entry.domain in used or entry.domain in _DEFAULT]
    cleaned = onnx.ModelProto()
    cleaned.CopyFrom(model)
    del cleaned.opset_import[:]
    cleaned.opset_import.extend(imports)
    cleaned.ClearField("doc_string")
    _check_inferred(cleaned, limits)
    return cleaned


def _refuse_features(model: onnx.ModelProto) -> None:
    if model.functions:
        raise GraphError(
            GraphErrorCode.LOCAL_FUNCTIONS,
            f"the model has {len(model.functions)} local functions, none are accepted: inline them "
            "(onnx.inliner.inline_local_functions)",
            functions=len(model.functions),
        )
    if model.training_info:
        raise GraphError(
            GraphErrorCode.SUBGRAPH, "the model carries training graphs; export it for inference"
        )
    if model.graph.sparse_initializer:
        raise GraphError(
            GraphErrorCode.SPARSE_INITIALIZER,
            "the model stores sparse tensors; store them dense",
            tensors="sparse",
        )


def _check_tensor(tensor: onnx.TensorProto, limits: Limits) -> None:
    if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise GraphError(
            GraphErrorCode.EXTERNAL_DATA,
            f"tensor {tensor.name!r} is stored outside the model; save the model with all weights inside",
            tensor=tensor.name,
        )
    _check_dtype(f"tensor {tensor.name!r}", tensor.data_type)
    _check_dims(f"tensor {tensor.name!r}", list(tensor.dims), limits)


def _check_dtype(what: str, number: int) -> None:
    names = onnx.TensorProto.DataType
    kind = names.Name(number) if number in names.values() else str(number)
    if kind not in ALLOWED_DTYPES:
        raise GraphError(
            GraphErrorCode.WRONG_DTYPE,
            f"{what} is {kind}; accepted are {', '.join(sorted(ALLOWED_DTYPES))}",
            what=what,
            dtype=kind,
        )


def _check_node(node: onnx.NodeProto, limits: Limits) -> None:
    if node.domain not in (*_DEFAULT, "ai.onnx.ml"):
        raise GraphError(
            GraphErrorCode.UNKNOWN_DOMAIN,
            f"operator {node.op_type} is of domain {node.domain!r}; only ai.onnx and ai.onnx.ml are accepted",
            domain=node.domain,
            operator=node.op_type,
        )
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs:
            raise GraphError(
                GraphErrorCode.SUBGRAPH,
                f"operator {node.op_type} contains a subgraph, which is not accepted: unroll If, Loop and Scan",
                operator=node.op_type,
            )
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise GraphError(
                GraphErrorCode.SPARSE_INITIALIZER,
                f"operator {node.op_type} holds a sparse tensor; store it dense",
                operator=node.op_type,
            )
        for tensor in (*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors):
            _check_tensor(tensor, limits)
        if node.op_type == "Cast" and attribute.name == "to":
            _check_dtype(f"what operator Cast {node.name!r} makes", attribute.i)
        if attribute.name in _SIZE_ATTRIBUTES:
            numbers = [*attribute.ints, attribute.i]
            if max(map(abs, numbers)) > limits.max_dimension:
                raise _too_large(
                    f"{attribute.name} of operator {node.op_type}",
                    "",
                    max(map(abs, numbers)),
                    limits.max_dimension,
                )
    allowed = ALLOWED_OPERATORS if node.domain in _DEFAULT else ALLOWED_ML_OPERATORS
    if node.op_type not in allowed:
        raise GraphError(
            GraphErrorCode.UNKNOWN_OPERATOR,
            f"operator {node.op_type} is not among the accepted ones; export the classifier without it",
            operator=node.op_type,
            domain=node.domain,
        )


def _check_value(value: onnx.ValueInfoProto, limits: Limits) -> None:
    dims = dims_of(value)
    if dims is not None:
        _check_dims(f"value {value.name!r}", [d for d in dims if isinstance(d, int)], limits)


def _check_dims(what: str, dims: list[int], limits: Limits) -> None:
    if any(d < 0 or d > limits.max_dimension for d in dims):
        raise _too_large(f"{what}, shape {dims},", "in one dimension", max(dims), limits.max_dimension)
    if prod(dims) > limits.max_elements:
        raise _too_large(f"{what}, shape {dims},", "elements", prod(dims), limits.max_elements)


def _check_sizes_are_plain(graph: onnx.GraphProto, limits: Limits) -> None:
    """Size arguments must be small constants, or dimensions of other values without arithmetic on them.

    Otherwise a few bytes of arithmetic on constants would make any size, unseen by shape inference.
    """
    stored = {tensor.name: tensor for tensor in graph.initializer}
    inputs = {value.name for value in graph.input} - set(stored)
    made_by = {name: node for node in graph.node for name in node.output if name}
    for node, name in _size_arguments(graph):
        seen: set[str] = set()
        todo = [name]
        while todo:
            current = todo.pop()
            if current in seen or not current:
                continue
            seen.add(current)
            source = made_by.get(current)
            if current in stored:
                _check_size_constant(node, stored[current], limits)
            elif current in inputs or source is None or source.op_type not in _SHAPE_CHAIN:
                raise GraphError(
                    GraphErrorCode.TOO_LARGE,
                    f"the size of operator {node.op_type} is computed by "
                    f"{source.op_type if source else 'an input'}; "
                    "sizes must be constants or dimensions of other values",
                    operator=node.op_type,
                )
            elif source.op_type == "Constant":
                for attribute in source.attribute:
                    _check_size_constant(node, _as_tensor(attribute), limits)
            elif source.op_type not in ("Shape", "Size"):
                # A position picked from a shape (Gather's index, Slice's bounds) never becomes a size.
                todo.extend(source.input if source.op_type == "Concat" else source.input[:1])


def _as_tensor(attribute: onnx.AttributeProto) -> onnx.TensorProto:
    """Return what a Constant node holds, in whichever of its forms."""
    if attribute.HasField("t"):
        return attribute.t
    numbers = [*attribute.ints, *attribute.floats, attribute.i, attribute.f]
    return numpy_helper.from_array(np.array(numbers, np.float64), attribute.name)


def _size_arguments(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, str]]:
    for node in graph.node:
        if node.domain in _DEFAULT:
            for index in SIZE_ARGUMENTS.get(node.op_type, ()):
                if index < len(node.input) and node.input[index]:
                    yield node, node.input[index]


def _check_size_constant(node: onnx.NodeProto, tensor: onnx.TensorProto, limits: Limits) -> None:
    """Check numbers a size is made of; a list of them is a shape where the operator takes a shape."""
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:  # declared and stored sizes differ
        raise GraphError(
            GraphErrorCode.NOT_ONNX, f"tensor {tensor.name!r} cannot be read: {error}"
        ) from error
    if array.size > MAX_SIZE_NUMBERS:
        raise _too_large(f"a size of operator {node.op_type}", "numbers", array.size, MAX_SIZE_NUMBERS)
    numbers = [abs(float(n)) for n in array.reshape(-1)]
    if not all(n <= limits.max_dimension for n in numbers):
        raise _too_large(f"a size of operator {node.op_type}", "", max(numbers), limits.max_dimension)
    is_shape = node.op_type in ("ConstantOfShape", "Expand", "Tile", "Resize")
    if is_shape and prod(max(n, 1.0) for n in numbers) > limits.max_elements:
        raise _too_large(f"operator {node.op_type}", "elements", prod(numbers), limits.max_elements)
    if node.op_type == "Range" and any(0 < n < 1 for n in numbers):
        raise _too_large("operator Range", "as a fraction, which makes its length", min(numbers), 1)


def _check_inferred(model: onnx.ModelProto, limits: Limits) -> None:
    """Check every size that follows from the declared ones."""
    try:
        inferred = shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise GraphError(
            GraphErrorCode.NOT_ONNX, f"shapes of the graph contradict each other: {error}"
        ) from error
    for value in inferred.graph.value_info:
        _check_value(value, limits)


def _too_large(what: str, unit: str, value: object, limit: int) -> GraphError:
    shown = f"{value} {unit}".strip()
    return GraphError(
        GraphErrorCode.TOO_LARGE,
        f"{what} has {shown}; the limit is {limit}: send a smaller classifier or raise the server's limit",
        value=value,
        limit=limit,
    )
