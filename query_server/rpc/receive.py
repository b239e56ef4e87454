"""Receives the messages of every call under the limits, and parses them.

Handlers are given messages only. gRPC's own way waits for a message as long as the caller likes, and answers one that
does not parse with UNKNOWN and the text of an exception; it also reads a message before anyone may refuse its call.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from query_server.errors import DowserError, Reason, invalid_argument, too_large
from query_server.rpc.caller import caller_of
from query_server.rpc.limits import Usage

# Health must answer when nothing else does; it is small and never waits for a worker.
_UNLIMITED = ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/List")
_STAGE = "receive"
# Counted for a message beside its bytes, so that endless empty ones add up.
_MESSAGE_OVERHEAD_BYTES = 64

_Context = aio.ServicerContext[Any, Any]


class ReceiveInterceptor(aio.ServerInterceptor):
    """Puts the limits around every handler; it must be the innermost interceptor.

    Args:
        usage: Counts against the limits.
        noticed: Told of the message of every call that has one.
    """

    def __init__(self, usage: Usage, *, noticed: Callable[[Any], None] = lambda _: None) -> None:
        self._usage = usage
        self._noticed = noticed

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Turn the handler into one that takes raw messages as a stream."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        limited = handler_call_details.method not in _UNLIMITED
        if handler.response_streaming:
            stream = _streaming(self._usage, handler, self._noticed, limited=limited)
            return grpc.stream_stream_rpc_method_handler(
                stream,
                response_serializer=handler.response_serializer,
            )
        answer = _answering(self._usage, handler, self._noticed, limited=limited)
        return grpc.stream_unary_rpc_method_handler(
            answer,
            response_serializer=handler.response_serializer,
        )


class _Call:
    """The messages of one call as they arrive."""

    def __init__(
        self, usage: Usage, handler: grpc.RpcMethodHandler[Any, Any], context: _Context, caller: str
    ) -> None:
        self._usage, self._handler, self._caller = usage, handler, caller
        self._context = context
        self._held_bytes = 0
        self._received_bytes = 0
        limit = usage.limits.stream_seconds
        self._end = time.monotonic() + limit if limit else None

    async def request(self) -> Any:
        """Return what the handler takes: one message, or an iterator of them.

        Raises:
            DowserError: DEADLINE_EXCEEDED, INVALID_ARGUMENT or OVERLOADED.
        """
        if self._handler.request_streaming:
            return self._messages()
        raw = await self._next()
        if raw is None:
            raise invalid_argument("request", "a call that ended without a message", "one message")
        self._hold(raw)
        return self._parse(raw)

    def close(self) -> None:
        self._usage.let_go(self._held_bytes)

    async def _messages(self) -> AsyncIterator[Any]:
        limit = self._usage.limits.stream_bytes
        while (raw := await self._next()) is not None:
            self._received_bytes += len(raw) + _MESSAGE_OVERHEAD_BYTES
            if limit and self._received_bytes > limit:
                raise too_large("the streamed request", limit)
            self._usage.upload(self._caller, len(raw))
            self._hold(raw)
            yield self._parse(raw)

    async def _next(self) -> bytes | None:
        limits = self._usage.limits
        wait = limits.idle_seconds or None
        if self._end is not None:
            left = max(0.0, self._end - time.monotonic())
            wait = left if wait is None else min(wait, left)
        try:
            async with asyncio.timeout(wait):
                # Not by gRPC's iterator, which keeps the last message until it is garbage-collected.
                raw = await self._context.read()
        except TimeoutError:
            message = (
                f"the next message of the call did not arrive in {limits.idle_seconds:g} s, or all of them in "
                f"{limits.stream_seconds:g} s; nothing was changed, send it again without pauses"
            )
            raise DowserError(Reason.DEADLINE_EXCEEDED, message, metadata={"stage": _STAGE}) from None
        return raw if isinstance(raw, bytes) else None  # gRPC's end of the stream is an object of its own

    def _hold(self, raw: bytes) -> None:
        """Count a message for as long as the call lasts: handlers may keep what they are given."""
        size = len(raw) + _MESSAGE_OVERHEAD_BYTES
        self._usage.hold(size)
        self._held_bytes += size

    def _parse(self, raw: bytes) -> Any:
        parse = self._handler.request_deserializer
        if parse is None:
            return raw
        try:
            return parse(raw)
        except DecodeError:
            raise invalid_argument(
                "request", f"{len(raw)} bytes that are none", "a message of the method's request type"
            ) from None


def _answering(
    usage: Usage,
    handler: grpc.RpcMethodHandler[Any, Any],
    noticed: Callable[[Any], None],
    *,
    limited: bool,
) -> Callable[[Any, _Context], Awaitable[Any]]:
    inner: Any = handler.stream_unary if handler.request_streaming else handler.unary_unary

    async def answer(_: Any, context: _Context) -> Any:
        caller = caller_of(context) if limited else ""
        with usage.call(caller) if limited else contextlib.nullcontext():
            call = _Call(usage, handler, context, caller)
            try:
                request = await call.request()
                if not handler.request_streaming:
                    noticed(request)
                return await inner(request, context)
            finally:
                call.close()

    return answer


def _streaming(
    usage: Usage,
    handler: grpc.RpcMethodHandler[Any, Any],
    noticed: Callable[[Any], None],
    *,
    limited: bool,
) -> Callable[[Any, _Context], AsyncIterator[Any]]:
    inner: Any = handler.stream_stream if handler.request_streaming else handler.unary_stream

    async def stream(_: Any, context: _Context) -> AsyncIterator[Any]:
        caller = caller_of(context) if limited else ""
        with usage.call(caller) if limited else contextlib.nullcontext():
            call = _Call(usage, handler, context, caller)
            try:
                request = await call.request()
                if not handler.request_streaming:
                    noticed(request)
                made = inner(request, context)
                if inspect.isawaitable(made):  # it writes through its context
                    await made
                else:
                    async for reply in made:
                        yield reply
            finally:
                call.close()

    return stream
