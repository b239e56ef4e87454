"""The outermost interceptor: tells the observer of every request but health checks.

It reads what messages and status say, so that neither servicers nor the interceptors inside it need to know of it.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from query_server.observe import Observer, RequestRecord
from query_server.observe.metrics import UNKNOWN_METHOD
from query_server.observe.request import CURRENT, Fact, new_request_id, plain
from query_server.rpc.handlers import Handler, behavior_of, with_behavior

_HEALTH = "/grpc.health."
_HEADERS = ("traceparent", "tracestate", "x-request-id")
# Fields that say what a request was about; samples, features, labels and classifiers are never read.
_FACTS = (
    *("campaign_id", "classifier_id", "pool", "budget", "acquisition", "k", "page_size", "min_index_version"),
    *("scored", "visited", "index_version", "round", "seed", "recorded", "labeled", "released"),
)

_Context = aio.ServicerContext[Any, Any]


class ObserveInterceptor(aio.ServerInterceptor):
    """Goes before every other interceptor, so that it also sees what they refuse.

    Args:
        observer: Whom to tell.
        caller_of: Names the caller where that is known, never by a secret; asked once the inner interceptors were.
    """

    def __init__(self, observer: Observer, *, caller_of: Callable[[_Context], str] = lambda _: "") -> None:
        self._observer = observer
        self._caller_of = caller_of
        self._methods: set[str] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of a method that exists, or of one that was refused before anybody looked."""
        handler: Any = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None:
            self._observer.metrics.count_unknown_method()
            return None
        if method.startswith(_HEALTH):
            return handler  # type: ignore[no-any-return]
        if method not in self._methods:
            if _exists(method):
                self._methods.add(method)
            else:  # its name is the caller's text: no label, and nothing to remember
                method = UNKNOWN_METHOD
        inner = behavior_of(handler)
        following: Any
        if inspect.iscoroutinefunction(inner):
            following = self._following_call(method, inner)
        elif inspect.isasyncgenfunction(inner):
            following = self._following_stream(method, inner)
        else:  # a handler of the synchronous kind, run on a thread by grpc itself
            return handler  # type: ignore[no-any-return]
        return with_behavior(handler, following)

    def _following_call(self, method: str, inner: Any) -> Any:
        async def call(request: Any, context: _Context) -> Any:
            record = self._begin(method, context)
            answer = None
            try:
                answer = await inner(request, context)
                record.end(_code(context) or "OK")
                return answer
            except BaseException as error:
                _read_error(context, record, error)
                raise
            finally:
                self._end_soon(record, answer)

        return call

    def _following_stream(self, method: str, inner: Any) -> Any:
        async def stream(request: Any, context: _Context) -> AsyncIterator[Any]:
            record = self._begin(method, context)
            try:
                async for part in inner(request, context):
                    yield part
                record.end(_code(context) or "OK")
            except BaseException as error:
                _read_error(context, record, error)
                raise
            finally:
                self._end_soon(record, None)

        return stream

    def _begin(self, method: str, context: _Context) -> RequestRecord:
        headers = {
            str(key): value
            for key, value in context.invocation_metadata() or ()
            if key in _HEADERS and isinstance(value, str)
        }
        given = headers.get("x-request-id", "")
        record = RequestRecord(
            method=method.removeprefix("/"),
            peer=context.peer() or "",
            request_id=plain(given) if given else new_request_id(),
            caller=plain(self._caller_of(context)),
        )
        self._observer.begin(record, headers)
        return record

    def _end_soon(self, record: RequestRecord, answer: Any) -> None:
        """Tell of the request once its answer is on its way: the caller need not wait for that."""
        asyncio.get_running_loop().call_soon(self._end, record, answer)

    def _end(self, record: RequestRecord, answer: Any) -> None:
        if self._observer.traces:
            for message in (record.message, answer):
                if isinstance(message, Message):
                    record.facts |= _facts(message)
        record.message = None  # canceled timers keep the context, and the record with it, for a while
        if isinstance(answer, Message) and "diagnosis" in answer.DESCRIPTOR.fields_by_name:
            self._count_selection(answer, record)
        self._observer.end(record)

    def _count_selection(self, answer: Any, record: RequestRecord) -> None:
        """Count a selection made now; the stored answer to a repeated request names stages that did not run."""
        ran = record.stages()
        if not all(timing.stage in ran for timing in answer.timings):
            record.facts["replayed"] = True
            return
        self._observer.metrics.count_selection(
            scored=answer.scored,
            picked=len(answer.picks),
            capture=answer.diagnosis.capture.value if answer.diagnosis.HasField("capture") else None,
            warned=bool(answer.diagnosis.warnings),
        )


def note_message(message: Message) -> None:
    """Note the message of the request under way, which says its id and what it is about."""
    record = CURRENT.get()
    if record is None:
        return
    record.message = message
    if given := getattr(message, "request_id", ""):
        record.request_id = plain(given)


def _exists(method: str) -> bool:
    service, _, name = method.removeprefix("/").rpartition("/")
    try:
        return name in descriptor_pool.Default().FindServiceByName(service).methods_by_name
    except KeyError:
        return False


def _code(context: _Context) -> str:
    code: Any = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else ""


def _read_error(context: _Context, record: RequestRecord, error: BaseException) -> None:
    """Read code, reason and incident from the status that went over the wire."""
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        remaining = context.time_remaining()  # the deadline cancels the call as its caller would
        late = remaining is not None and remaining <= 0
        record.end("DEADLINE_EXCEEDED" if late else "CANCELLED")
        return
    record.end(_code(context) or "UNKNOWN")
    for key, value in context.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        info = error_details_pb2.ErrorInfo()
        for detail in status_pb2.Status.FromString(value).details:
            if detail.Unpack(info):
                record.reason = info.reason
                record.incident = info.metadata.get("incident", "")


def _facts(message: Message) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for field in _known_fields(message.DESCRIPTOR):
        value = getattr(message, field.name)
        if not value:
            continue
        if field.enum_type is not None:
            known = field.enum_type.values_by_number.get(value)
            facts[field.name] = str(value) if known is None else known.name.lower()
        elif isinstance(value, str):
            facts[field.name] = plain(value)
        elif -(2**63) <= value < 2**63:  # a trace has no larger integers
            facts[field.name] = value
        else:
            facts[field.name] = str(value)
    if "strategy" in message.DESCRIPTOR.oneofs_by_name:
        facts["strategy"] = message.WhichOneof("strategy") or "default"
    return facts


@cache
def _known_fields(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    return tuple(
        field
        for name in _FACTS
        if (field := descriptor.fields_by_name.get(name)) is not None
        and not field.is_repeated
        and field.message_type is None
    )
