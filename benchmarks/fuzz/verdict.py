"""What the end of a call says of the server: nothing, or that something is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
# Answers that gRPC gives by itself, before or after the server's code.
_OF_GRPC = {
    grpc.StatusCode.UNIMPLEMENTED,  # no such method
    grpc.StatusCode.DEADLINE_EXCEEDED,  # the caller's own deadline
    grpc.StatusCode.CANCELLED,  # the caller's own cancellation
}
_MESSAGE_TOO_LARGE = "larger than max"
# What only the server's inside could have written: none of the strings that callers send looks like it.
_INSIDE = re.compile(
    r"Traceback|File \"|\.py\b|site-packages|\.sqlite|onnxruntime_src|\b0x[0-9a-f]{8,}|Error\("
)


def fault(
    code: grpc.StatusCode,
    text: str,
    trailing: Mapping[str, str | bytes],
    *,
    paths: Sequence[str] = (),
) -> str | None:
    """Return what is wrong with how a call ended, None where nothing is.

    Args:
        code: Its status.
        text: The status's message.
        trailing: The trailing metadata.
        paths: Of the server, which no caller may be told.
    """
    if code is grpc.StatusCode.OK:
        return None
    if code in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL):
        return f"{code.name}: {text}"
    if leak := _INSIDE.search(text) or next((path for path in paths if path in text), None):
        return f"tells the caller {leak}: {text}"
    raw = trailing.get(_DETAILS_KEY)
    if raw is None:
        if code in _OF_GRPC or _MESSAGE_TOO_LARGE in text:
            return None
        return f"{code.name} without details: {text}"
    status, info = status_pb2.Status(), error_details_pb2.ErrorInfo()
    try:
        status.ParseFromString(bytes(raw) if isinstance(raw, bytes) else raw.encode())
    except DecodeError:
        return f"{code.name} with details that do not parse"
    if not any(detail.Unpack(info) for detail in status.details if detail.Is(info.DESCRIPTOR)):
        return f"{code.name} without ErrorInfo: {text}"
    if not info.reason or info.domain != "dowser":
        return f"{code.name} without a reason: {text}"
    for value in info.metadata.values():
        if leak := _INSIDE.search(value) or next((path for path in paths if path in value), None):
            return f"tells the caller {leak} in metadata: {value}"
    return None
