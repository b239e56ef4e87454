"""The contract of Dowser's ONNX graphs: kinds, tensor names, metadata keys and the error every check raises.

ONNX has no autograd, so whatever must be differentiated travels together with its pullback (its
vector-Jacobian product) as one plain graph. Because a graph's value never depends on the cotangent it is
handed, a generator, a classifier and an acquisition head splice into one acyclic graph with a single forward
and a single backward pass.

Every tensor is float32 and its batch dimension B is dynamic. B comes first, except in stochastic logits [T,
B, C].

| kind        | inputs                           | outputs                                          |
|-------------|----------------------------------|--------------------------------------------------|
| generator   | z [B, Z], dx [B, ...]            | x [B, ...], dz [B, Z]                            |
| classifier  | x [B, ...], dlogits as logits    | logits [B, C] or [T, B, C], dx; see below        |
| encoder     | x [B, ...]                       | features [B, D]                                  |
| acquisition | logits [B, C] or [T, B, C]       | score [B], dlogits as logits                     |

A classifier or generator may come without its pullback: then the cotangent input and its gradient are both
absent, and a classifier may give probabilities in place of logits. A classifier may also give its embedding
[B, E], and a score [B] of its own, by which an acquisition function can rank samples (`graphs.own_score`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

CONTRACT = "1"
"""Version of this contract, written to every graph."""

OPSET = 20
"""The opset of the default domain that every exported or spliced graph uses."""

MIN_OPSET = 13
"""The oldest opset `check` accepts; older graphs mean other things by Softmax, Squeeze and ReduceSum."""

MAX_OPSET = 23
"""The newest opset `check` accepts."""

IR_VERSION = 10
"""The ONNX file format version written, the newest that every supported ONNX Runtime reads."""

BATCH = "B"
"""Name of the dynamic batch dimension."""

KEY_KIND = "dowser.kind"
KEY_CONTRACT = "dowser.contract"
KEY_INPUT_SHAPE = "dowser.input_shape"
KEY_OUTPUT_SHAPE = "dowser.output_shape"
KEY_OUTPUT = "dowser.output"
KEY_TORCH_VERSION = "dowser.torch_version"
KEY_ONNX_VERSION = "dowser.onnx_version"


class GraphKind(StrEnum):
    """What a graph is for; it fixes the names of its inputs and outputs."""

    GENERATOR = "generator"
    CLASSIFIER = "classifier"
    ENCODER = "encoder"
    ACQUISITION = "acquisition"


class GraphErrorCode(StrEnum):
    """Stable reasons a graph is refused; the server maps them to statuses, so none is ever renamed."""

    NOT_ONNX = "NOT_ONNX"
    TOO_LARGE = "TOO_LARGE"
    EXTERNAL_DATA = "EXTERNAL_DATA"
    LOCAL_FUNCTIONS = "LOCAL_FUNCTIONS"
    SPARSE_INITIALIZER = "SPARSE_INITIALIZER"
    SUBGRAPH = "SUBGRAPH"
    UNKNOWN_OPERATOR = "UNKNOWN_OPERATOR"
    UNKNOWN_DOMAIN = "UNKNOWN_DOMAIN"
    UNSUPPORTED_OPSET = "UNSUPPORTED_OPSET"
    WRONG_KIND = "WRONG_KIND"
    WRONG_INPUTS = "WRONG_INPUTS"
    WRONG_OUTPUTS = "WRONG_OUTPUTS"
    WRONG_SHAPE = "WRONG_SHAPE"
    WRONG_DTYPE = "WRONG_DTYPE"
    NOT_DYNAMIC_BATCH = "NOT_DYNAMIC_BATCH"
    NOT_ACYCLIC = "NOT_ACYCLIC"
    PULLBACK_LEAK = "PULLBACK_LEAK"
    NO_PULLBACK = "NO_PULLBACK"
    SHAPE_MISMATCH = "SHAPE_MISMATCH"
    UNSUPPORTED_OPERATOR = "UNSUPPORTED_OPERATOR"
    EXPORT_FAILED = "EXPORT_FAILED"
    GRADIENT_MISMATCH = "GRADIENT_MISMATCH"
    REFRESH_MISMATCH = "REFRESH_MISMATCH"


class GraphError(ValueError):
    """A graph that breaks the contract, the upload policy, or cannot be exported.

    Attributes:
        code: Stable reason.
        metadata: Details as strings (names, limits, values received), fit for an RPC error.
    """

    def __init__(self, code: GraphErrorCode, message: str, **metadata: object) -> None:
        """Keep the reason and the details beside the message."""
        super().__init__(message)
        self.code = code
        self.metadata: dict[str, str] = {key: str(value) for key, value in metadata.items()}


@dataclass(frozen=True, kw_only=True)
class GraphInfo:
    """What `check` learned about a graph.

    Attributes:
        kind: The kind it was checked as.
        input_shape: Shape of one input (z, x or logits) without batch and passes.
        output_shape: Shape of one main output (x, logits or features) without batch and passes; () for a head.
        passes: Number T of stochastic passes, or None for a deterministic graph. For a head with a free
            number of passes this is -1.
        has_pullback: Whether the graph carries its vector-Jacobian product.
        has_embedding: Whether a classifier also gives its embedding.
        has_score: Whether a classifier also gives a score of its own.
        output: "logits" or "probabilities" for a classifier, else the name of the main output.
        opset: Version of the default operator domain.
        metadata: The graph's metadata_props.
    """

    kind: GraphKind
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    passes: int | None = None
    has_pullback: bool = False
    has_embedding: bool = False
    has_score: bool = False
    output: str = "logits"
    opset: int = OPSET
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Signature:
    """Tensor names of one kind of graph: the main input and output, and its cotangent and gradient."""

    input: str
    output: str
    cotangent: str | None = None
    gradient: str | None = None


SIGNATURES: Mapping[GraphKind, Signature] = {
    GraphKind.GENERATOR: Signature(input="z", output="x", cotangent="dx", gradient="dz"),
    GraphKind.CLASSIFIER: Signature(input="x", output="logits", cotangent="dlogits", gradient="dx"),
    GraphKind.ENCODER: Signature(input="x", output="features"),
    GraphKind.ACQUISITION: Signature(input="logits", output="score", gradient="dlogits"),
}
