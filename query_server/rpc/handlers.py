"""Method handlers taken apart and put together again, for interceptors that wrap them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

# By whether requests and whether responses are streamed.
_KINDS: dict[tuple[bool, bool], tuple[str, Callable[..., Handler]]] = {
    (False, False): ("unary_unary", grpc.unary_unary_rpc_method_handler),
    (False, True): ("unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, False): ("stream_unary", grpc.stream_unary_rpc_method_handler),
    (True, True): ("stream_stream", grpc.stream_stream_rpc_method_handler),
}


def behavior_of(handler: Handler) -> Any:
    """Return what answers a method's calls."""
    name, _ = _KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    return getattr(handler, name)


def with_behavior(handler: Handler, behavior: Callable[..., Any]) -> Handler:
    """Return a handler of the same kind and messages that answers in another way."""
    _, make = _KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(
        behavior,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )
