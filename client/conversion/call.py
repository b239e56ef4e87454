"""What one RPC is, before anything is sent.

A call is a plain value without a channel. Every call may be sent twice: reads change nothing, an upload is
named by its content, and each write carries a `request_id` that the server answers once. client.retry builds
on that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

T = TypeVar("T")
M = TypeVar("M", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T]):
    """One RPC, ready to be sent any number of times.

    Attributes:
        path: The full method name, for example "/dowser.v1.PoolService/GetPool".
        reply_type: The message that answers.
        decode: Reads the answer.
        request: The request of a unary call.
        parts: Makes the requests of a client-streaming call, anew for each attempt.
        streams: Whether the answer is a stream too; ``decode`` then gets a list of messages.
    """

    path: str
    reply_type: type[Message]
    decode: Callable[[Any], T]
    request: Message | None = None
    parts: Callable[[], Iterator[Message]] | None = None
    streams: bool = False


def unary(method: str, request: Message, reply_type: type[M], decode: Callable[[M], T]) -> Call[T]:
    """Make the call of a unary RPC, `method` being "Service/Method"."""
    return Call(path=f"/dowser.v1.{method}", request=request, reply_type=reply_type, decode=decode)
