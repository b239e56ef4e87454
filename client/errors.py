"""One tree of errors for everything a call can end in.

The server refuses with a google.rpc.Status in the trailing metadata: an ErrorInfo (domain "dowser") with a
stable reason and metadata, perhaps a RetryInfo and a BadRequest. Where that is missing (a proxy answered, no
server is there), the plain gRPC status code decides. Catch a class for what to do, read `reason` for what
exactly happened.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "dowser"
_DETAILS_KEY = "grpc-status-details-bin"


class DowserError(Exception):
    """The root of every error a client call raises.

    Attributes:
        message: What went wrong, for a person.
        reason: The stable reason (dowser.v1.ErrorReason without its prefix), "" where the server gave none.
        metadata: Details of the reason, for example {"field": "budget", "value": "0"}.
        grpc_code: The gRPC status.
        retry_after_seconds: When the server asks to be tried again; None where it does not.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        grpc_code: grpc.StatusCode = grpc.StatusCode.UNKNOWN,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata: dict[str, str] = dict(metadata or {})
        self.grpc_code = grpc_code
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        return f"{self.message} [{self.reason or self.grpc_code.name}]"


class InvalidArgumentError(DowserError, ValueError):
    """A value in the request is outside its limits; the same call will fail again."""


class NotFoundError(DowserError):
    """A pool, campaign, classifier or pool id does not exist."""


class ConflictError(DowserError):
    """The request contradicts what the server already has."""


class AlreadyExistsError(ConflictError):
    """Something of that name exists."""


class FailedPreconditionError(DowserError):
    """The call is well-formed, but the server's state does not allow it."""


class ResourceExhaustedError(DowserError):
    """Too large, or too much at once; worth another try only where `retry_after_seconds` is set."""


class UnavailableError(DowserError):
    """No server could be reached, or it is starting up or shutting down."""


class DeadlineExceededError(DowserError):
    """The deadline passed; nothing was changed unless the same request_id says otherwise when sent again."""


class CallCancelledError(DowserError):
    """The call was cancelled."""


class UnauthenticatedError(DowserError):
    """The server does not accept the caller's credentials."""


class PermissionDeniedError(DowserError):
    """The caller may not do this."""


class UnimplementedError(DowserError):
    """The server does not know this call; it is older than the client."""


class InternalError(DowserError):
    """A fault of the server's own; the message carries an incident id found in its log."""


class MissingExtraError(ImportError):
    """A feature needs packages that the base installation leaves out."""


class InputError(Exception):
    """An argument or file that cannot be read as what it should be."""


_BY_CODE: Mapping[grpc.StatusCode, type[DowserError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.CANCELLED: CallCancelledError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNIMPLEMENTED: UnimplementedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.DATA_LOSS: InternalError,
}

# Reasons that say more than the gRPC status they travel under.
_BY_REASON: Mapping[str, type[DowserError]] = {
    "CAMPAIGN_EXISTS": AlreadyExistsError,
    "REQUEST_ID_REUSED": ConflictError,
    "LABEL_CONFLICT": ConflictError,
    "POOL_ID_EXISTS": ConflictError,
}


def from_rpc_error(error: grpc.RpcError | grpc.aio.AioRpcError) -> DowserError:
    """Turn what grpc raises, sync or asyncio, into the client's own error."""
    code, message, trailing = _parts(error)
    info, retry_after_seconds, violations = _details(trailing)
    reason = info.reason if info is not None else ""
    unsaid = [f"{field}: {why}" for field, why in violations if why not in message]
    if unsaid:
        message = f"{message} ({'; '.join(unsaid)})" if message else "; ".join(unsaid)
    kind = _BY_REASON.get(reason) or _BY_CODE.get(code, DowserError)
    return kind(
        message or f"the call ended with {code.name}",
        reason=reason,
        metadata=dict(info.metadata) if info is not None else None,
        grpc_code=code,
        retry_after_seconds=retry_after_seconds,
    )


def invalid_argument(message: str, **metadata: str) -> InvalidArgumentError:
    """Make the error for a value that the client itself can refuse, as the server would have."""
    return InvalidArgumentError(
        message,
        reason="INVALID_ARGUMENT",
        metadata=metadata,
        grpc_code=grpc.StatusCode.INVALID_ARGUMENT,
    )


def _parts(
    error: grpc.RpcError | grpc.aio.AioRpcError,
) -> tuple[grpc.StatusCode, str, dict[str, str | bytes]]:
    """Read status, message and trailing metadata; the sync RpcError has them only as a Call."""
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return grpc.StatusCode.UNKNOWN, str(error), {}
    trailing = error.trailing_metadata() or ()
    return error.code(), error.details() or "", {key: value for key, value in trailing}


def _details(
    trailing: Mapping[str, str | bytes],
) -> tuple[error_details_pb2.ErrorInfo | None, float | None, list[tuple[str, str]]]:
    """Read ErrorInfo, RetryInfo (in seconds) and BadRequest out of the trailing metadata."""
    raw = trailing.get(_DETAILS_KEY)
    status = status_pb2.Status()
    info: error_details_pb2.ErrorInfo | None = None
    retry_after_seconds: float | None = None
    violations: list[tuple[str, str]] = []
    if not isinstance(raw, bytes):
        return info, retry_after_seconds, violations
    try:
        status.ParseFromString(raw)
        for detail in status.details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                candidate = error_details_pb2.ErrorInfo()
                detail.Unpack(candidate)
                # A proxy may add its own; only our domain's reasons mean something here.
                info = candidate if candidate.domain == DOMAIN else info
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
                retry_after_seconds = retry.retry_delay.ToTimedelta().total_seconds()
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                violations = [(v.field, v.description) for v in bad.field_violations]
    except DecodeError:
        # Broken details must not hide the status they came with.
        pass
    return info, retry_after_seconds, violations
