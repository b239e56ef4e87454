"""Between protobuf messages and the domain's values: what several services say.

No servicer builds a value of the domain from fields, or a message from one: that is done here and in the modules of one
subject each beside it, `selection_values`, `campaign_values`, `scoring_values` and `proposals`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sized
from typing import Any

import numpy as np
from google.protobuf import timestamp_pb2
from numpy.typing import NDArray

from dowser.v1 import classifiers_pb2, tensors_pb2
from query_server.campaigns.values import Request
from query_server.errors import invalid_argument, not_finite, shape_mismatch
from query_server.models import ClassifierInfo
from query_server.writes import check_request_id

_DTYPES: dict[tensors_pb2.DType, np.dtype[Any]] = {
    tensors_pb2.DTYPE_UINT8: np.dtype("u1"),
    tensors_pb2.DTYPE_FLOAT32: np.dtype("<f4"),
    tensors_pb2.DTYPE_INT64: np.dtype("<i8"),
    tensors_pb2.DTYPE_UINT64: np.dtype("<u8"),
}
_DTYPE_NUMBERS = {dtype: number for number, dtype in _DTYPES.items()}
MAX_ENTRIES = 100_000
"""Labels or leases that one call may change."""
_MAX_DIMENSIONS = 32
_MAX_ELEMENTS = 2**48


def array(tensor: tensors_pb2.Tensor, *, field: str) -> NDArray[Any]:
    """Read a tensor without copying it.

    Raises:
        DowserError: INVALID_ARGUMENT, SHAPE_MISMATCH or NOT_FINITE.
    """
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        raise invalid_argument(f"{field}.dtype", tensor.dtype, "UINT8, FLOAT32, INT64 or UINT64")
    shape = tuple(tensor.shape)
    # Before anything is computed of it: numpy refuses more dimensions, and sizes whose product it cannot count even
    # beside a zero; Python refuses to print a product of thousands of digits.
    if len(shape) > _MAX_DIMENSIONS:
        raise invalid_argument(f"{field}.shape", f"{len(shape)} dimensions", f"at most {_MAX_DIMENSIONS}")
    if math.prod(max(1, size) for size in shape) > _MAX_ELEMENTS:
        raise invalid_argument(
            f"{field}.data",
            f"{len(tensor.data)} bytes",
            f"those of the shape {shape}, which no message can hold",
        )
    expected = math.prod(shape) * dtype.itemsize if shape else 0
    if not shape or expected != len(tensor.data):
        raise invalid_argument(
            f"{field}.data", f"{len(tensor.data)} bytes", f"{expected} bytes for shape {shape}"
        )
    values = np.frombuffer(tensor.data, dtype).reshape(shape)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise not_finite(field, int(np.argwhere(~np.isfinite(values))[0][0]))
    return values


def tensor(values: NDArray[Any]) -> tensors_pb2.Tensor:
    """Write a tensor."""
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return tensors_pb2.Tensor(
        shape=values.shape,
        dtype=tensors_pb2.DType.Name(_DTYPE_NUMBERS[little.dtype]),
        data=np.ascontiguousarray(little).tobytes(),
    )


def write_request(message: Any, method: str) -> Request:
    """Return the identity of a write: its request_id, and a fingerprint of all else.

    Raises:
        DowserError: INVALID_ARGUMENT for a request_id that is missing or too long.
    """
    check_request_id(message.request_id)
    fingerprint = hashlib.sha256(message.SerializeToString(deterministic=True)).digest()
    return Request(id=message.request_id, method=method, fingerprint=fingerprint)


def refuse_more(field: str, entries: Sized) -> None:
    """Refuse more entries than one call may have.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    if len(entries) > MAX_ENTRIES:
        raise invalid_argument(field, f"{len(entries)} entries", f"at most {MAX_ENTRIES} entries")


def classifier(info: ClassifierInfo) -> classifiers_pb2.Classifier:
    """Write a classifier."""
    return classifiers_pb2.Classifier(
        classifier_id=info.id,
        size_bytes=info.size_bytes,
        input_shape=info.input_shape,
        classes=info.classes,
        passes=info.passes,
        has_pullback=info.has_pullback,
        embedding_dim=info.embedding_dim,
        has_score=info.has_score,
    )


def rows_of_queries(values: NDArray[Any], *, expected: tuple[int, ...], what: str) -> NDArray[np.float32]:
    """Check a batch of queries against the shape of one.

    Raises:
        DowserError: SHAPE_MISMATCH.
    """
    if values.shape[1:] != expected:
        raise shape_mismatch(("n", *expected), values.shape, what=what)
    return np.ascontiguousarray(values, np.float32)


def timestamp(seconds: float) -> timestamp_pb2.Timestamp:
    """Write a time given in Unix seconds."""
    stamp = timestamp_pb2.Timestamp()
    # What a float of today's seconds holds exactly enough to come back the same.
    stamp.FromMicroseconds(round(seconds * 1e6))
    return stamp
