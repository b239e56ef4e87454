"""One table from domain errors to gRPC statuses, and the interceptor that alone answers with them.

Details travel as ``google.rpc.Status``: ``ErrorInfo`` always, ``BadRequest`` for a field that is wrong, ``RetryInfo``
where trying again makes sense.
"""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc_status import rpc_status

from query_server.errors import DowserError, Reason
from query_server.rpc.handlers import behavior_of, with_behavior

_LOG = logging.getLogger(__name__)
DOMAIN = "dowser"

CODES: dict[Reason, grpc.StatusCode] = {
    Reason.UNSPECIFIED: grpc.StatusCode.UNKNOWN,
    Reason.INVALID_ARGUMENT: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.POOL_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.CAMPAIGN_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.CLASSIFIER_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.POOL_ID_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.CAMPAIGN_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.BUDGET_EXCEEDS_POOL: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SHAPE_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.NOT_FINITE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CLASSIFIER_REJECTED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.CLASSIFIER_MISMATCH: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.ACQUISITION_UNSUPPORTED: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.GRADIENT_REQUIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CHECKSUM_MISMATCH: grpc.StatusCode.DATA_LOSS,
    Reason.TOO_LARGE: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.REQUEST_ID_REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Reason.LABEL_CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.OVERLOADED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Reason.INDEX_VERSION_TOO_OLD: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.DEADLINE_EXCEEDED: grpc.StatusCode.DEADLINE_EXCEEDED,
    Reason.CANCELLED: grpc.StatusCode.CANCELLED,
    Reason.CORRUPT_FILE: grpc.StatusCode.DATA_LOSS,
    Reason.INTERNAL: grpc.StatusCode.INTERNAL,
    Reason.POOL_ID_EXISTS: grpc.StatusCode.ALREADY_EXISTS,
    Reason.POOL_FULL: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STORAGE_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.RELOAD_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SNAPSHOT_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SAMPLES_NOT_STORED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LABEL_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.CLASSIFIER_FAILED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SCORE_JOB_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Reason.SHARD_NOT_READY: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EXTRA_NOT_INSTALLED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.COMPACTION_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.RECONSTRUCTION_UNSUPPORTED: grpc.StatusCode.FAILED_PRECONDITION,
}

_Behavior = Callable[[Any, aio.ServicerContext[Any, Any]], Awaitable[Any]]


def to_status(error: DowserError) -> status_pb2.Status:
    """Turn a domain error into the status that goes over the wire."""
    details = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.metadata)]
    packed = [_pack(details[0])]
    if error.reason is Reason.INVALID_ARGUMENT and "field" in error.metadata:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.metadata["field"], description=error.message
        )
        packed.append(_pack(error_details_pb2.BadRequest(field_violations=[violation])))
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        packed.append(_pack(error_details_pb2.RetryInfo(retry_delay=delay)))
    return status_pb2.Status(code=CODES[error.reason].value[0], message=error.message, details=packed)


class ErrorInterceptor(aio.ServerInterceptor):
    """Answers for every servicer: domain errors by the table, anything else as INTERNAL without its text."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the handler of any method."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = str(handler_call_details.method)
        wrap = _streaming if handler.response_streaming else _answering
        return with_behavior(handler, wrap(method, behavior_of(handler)))


def _answering(method: str, inner: _Behavior) -> _Behavior:
    async def answer(request: Any, context: aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await inner(request, context)
        except aio.AbortError:
            raise
        except Exception as error:
            status = _status_of(method, error)
        await context.abort_with_status(rpc_status.to_status(status))

    return answer


def _streaming(method: str, inner: Any) -> Callable[[Any, aio.ServicerContext[Any, Any]], AsyncIterator[Any]]:
    async def stream(request: Any, context: aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        try:
            made = inner(request, context)
            if inspect.isawaitable(made):  # it writes through its context
                await made
            else:
                async for reply in made:
                    yield reply
            return
        except aio.AbortError:
            raise
        except Exception as error:
            status = _status_of(method, error)
        await context.abort_with_status(rpc_status.to_status(status))

    return stream


def _status_of(method: str, error: Exception) -> status_pb2.Status:
    """Log an error and return what the caller is told of it; frees what its frames held."""
    status = _logged_status(method, error)
    # The future of a worker's call holds the error, the error its frames, and a frame the future: without this a
    # refused request of many megabytes would stay until the garbage collector's next full round.
    held: BaseException | None = error
    while held is not None:
        held.__traceback__ = None
        held = held.__context__
    return status


def _logged_status(method: str, error: Exception) -> status_pb2.Status:
    if isinstance(error, DowserError):
        _LOG.info("%s refused: %s: %s", method, error.reason, error.message)
        return to_status(error)
    incident = secrets.token_hex(8)
    _LOG.error("%s failed, incident %s", method, incident, exc_info=error)
    return to_status(
        DowserError(
            Reason.INTERNAL,
            f"the server failed; its log explains incident {incident}",
            metadata={"incident": incident},
        )
    )


def _pack(message: Any) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
