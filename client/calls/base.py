"""How a call goes out: over a connection, with its settings."""

from __future__ import annotations

from typing import TypeVar

import grpc

from client import transport
from client.conversion.call import Call
from client.transport import Settings

T = TypeVar("T")


class Calls:
    """What blocking calls go through."""

    def __init__(self, channel: grpc.Channel, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings

    def _send(self, call: Call[T]) -> T:
        return transport.send(self._channel, call, self._settings)


class AsyncCalls:
    """What coroutines go through; they belong to the event loop of their channel."""

    def __init__(self, channel: grpc.aio.Channel, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings

    async def _send(self, call: Call[T]) -> T:
        return await transport.send_async(self._channel, call, self._settings)
