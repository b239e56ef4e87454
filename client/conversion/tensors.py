"""numpy arrays to and from dowser.v1.Tensor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.errors import InternalError, invalid_argument
from dowser.v1 import tensors_pb2

# Little-endian on the wire, whatever the machine.
_DTYPES: dict[int, np.dtype[Any]] = {
    tensors_pb2.DTYPE_UINT8: np.dtype("u1"),
    tensors_pb2.DTYPE_FLOAT32: np.dtype("<f4"),
    tensors_pb2.DTYPE_INT64: np.dtype("<i8"),
    tensors_pb2.DTYPE_UINT64: np.dtype("<u8"),
}


def numpy_dtype(dtype: int) -> np.dtype[Any]:
    """Return numpy's name for a wire element type.

    Raises:
        InternalError: The type is none this client knows.
    """
    if dtype not in _DTYPES:
        raise InternalError(f"element type {dtype} is unknown to this client; it is older than the server")
    return _DTYPES[dtype]


def encode(array: NDArray[Any]) -> tensors_pb2.Tensor:
    """Put an array on the wire; float64 and float16 become float32, other integers int64.

    Raises:
        InvalidArgumentError: The elements are of a type that Dowser does not exchange.
    """
    array = np.asarray(array)
    target: np.dtype[Any]
    if array.dtype.kind == "f":
        target = _DTYPES[tensors_pb2.DTYPE_FLOAT32]
    elif array.dtype.kind in "ui":
        known = [d for d in _DTYPES.values() if d == array.dtype]
        target = known[0] if known else _DTYPES[tensors_pb2.DTYPE_INT64]
    else:
        raise invalid_argument(
            f"arrays of {array.dtype} cannot be sent; use uint8, float32, int64 or uint64",
            field="dtype",
            value=str(array.dtype),
        )
    # ascontiguousarray would turn a 0-d array into 1-d; tobytes is row-major by itself.
    data = array.astype(target, copy=False).tobytes(order="C")
    dtype = next(code for code, known_dtype in _DTYPES.items() if known_dtype == target)
    return tensors_pb2.Tensor(shape=array.shape, dtype=tensors_pb2.DType.Name(dtype), data=data)


def decode(tensor: tensors_pb2.Tensor) -> NDArray[Any]:
    """Read an array off the wire: read-only, sharing the message's memory.

    Raises:
        InternalError: The size of the data does not fit the shape, or the element type is unknown.
    """
    dtype = numpy_dtype(tensor.dtype)
    shape = tuple(tensor.shape)
    expected_bytes = math.prod(shape) * dtype.itemsize
    if len(tensor.data) != expected_bytes:
        raise InternalError(
            f"tensor {shape} of {dtype} must hold {expected_bytes} bytes, got {len(tensor.data)}"
        )
    return np.frombuffer(tensor.data, dtype=dtype).reshape(shape)
