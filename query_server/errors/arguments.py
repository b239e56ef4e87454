"""What is wrong with a request, whatever it asks for."""

from collections.abc import Sequence

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def invalid_argument(field: str, value: object, limit: str) -> DowserError:
    """Refuse a field whose value is outside `limit` (words: "1 to 50000")."""
    return DowserError(
        Reason.INVALID_ARGUMENT,
        f"{field} must be {limit}, got {value!r}",
        metadata={"field": field, "value": str(value), "limit": limit},
    )


def shape_mismatch(expected: Sequence[int | str], got: Sequence[int], *, what: str = "tensor") -> DowserError:
    """Refuse an array whose shape is not the expected one (a name stands for a free dimension)."""
    expected_text, got_text = shape_text(expected), shape_text(got)
    return DowserError(
        Reason.SHAPE_MISMATCH,
        f"{what} must have the shape {expected_text}, got {got_text}",
        metadata={"expected": expected_text, "got": got_text},
    )


def not_finite(where: str, index: int) -> DowserError:
    """Refuse NaN or infinity; `index` is the first entry that holds one."""
    return DowserError(
        Reason.NOT_FINITE,
        f"{where} holds NaN or infinity, first at entry {index}",
        metadata={"where": where, "index": str(index)},
    )


def too_large(what: str, limit_bytes: int) -> DowserError:
    """Refuse an upload or message above its limit."""
    return DowserError(
        Reason.TOO_LARGE,
        f"{what} is above the limit of {limit_bytes} bytes",
        metadata={"limit_bytes": str(limit_bytes)},
    )


def checksum_mismatch(announced: str, received: str) -> DowserError:
    """Refuse an upload whose bytes do not hash to what it announced."""
    return DowserError(
        Reason.CHECKSUM_MISMATCH,
        f"the upload announced sha256 {announced} and its bytes hash to {received}; send it again",
        metadata={"announced": announced, "received": received},
    )


def request_id_reused(request_id: str) -> DowserError:
    """Refuse a request id that already answered a different request."""
    return DowserError(
        Reason.REQUEST_ID_REUSED,
        f"request_id {request_id!r} was used for a different request; make a new id for every new request",
        metadata={"request_id": request_id},
    )


def shape_text(shape: Sequence[int | str]) -> str:
    """Return a shape as errors say it, "[28, 28]"."""
    return "[" + ", ".join(str(size) for size in shape) + "]"
