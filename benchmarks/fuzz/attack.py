"""Sends wild calls and bytes, many at a time, and notes what was wrong with how they ended."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.fuzz import sockets
from benchmarks.fuzz.messages import Hints, wild_call
from benchmarks.fuzz.methods import Method
from benchmarks.fuzz.verdict import fault

CALL_SECONDS = 2.0
# Parts of the attempts; the others are whole calls.
SOCKET_PART, CANCELLED_PART, HELD_OPEN_PART = 0.04, 0.02, 0.01
HELD_OPEN_SECONDS = 0.3
MAX_FAULTS_KEPT = 50
# grpc.aio's own words, in the client, where the server ended a call while it wrote; the server's status is lost.
_BROKEN_WRITE = "Internal error from Core"

if TYPE_CHECKING:
    # The calls of a channel by method, without serializers: bytes go and bytes come. The classes are generic to the
    # type checker only.
    _SendOne = Callable[
        [str], aio.UnaryUnaryMultiCallable[bytes, bytes] | aio.UnaryStreamMultiCallable[bytes, bytes]
    ]
    _SendMany = Callable[
        [str], aio.StreamUnaryMultiCallable[bytes, bytes] | aio.StreamStreamMultiCallable[bytes, bytes]
    ]
    _Call = (
        aio.UnaryUnaryCall[bytes, bytes]
        | aio.UnaryStreamCall[bytes, bytes]
        | aio.StreamUnaryCall[bytes, bytes]
        | aio.StreamStreamCall[bytes, bytes]
    )


@dataclass(kw_only=True)
class Outcome:
    """What the attack saw.

    Attributes:
        attempts: Calls and connections made.
        statuses: How many calls of each method ended with each status.
        faults: How many ends were the server's fault.
        examples: Some of those, in words.
    """

    attempts: int = 0
    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    faults: int = 0
    examples: list[str] = field(default_factory=list)

    def note(self, where: str, what: str) -> None:
        """Note a fault."""
        self.faults += 1
        if len(self.examples) < MAX_FAULTS_KEPT:
            self.examples.append(f"{where}: {what}")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A server to be attacked.

    Attributes:
        target: "host:port".
        methods: To be called.
        hints: What the calls may know.
        paths: Of the server, which no answer may tell.
    """

    target: str
    methods: Sequence[Method]
    hints: Hints
    paths: Sequence[str]

    async def run(self, random: Random, attempts: int, outcome: Outcome, *, concurrency: int) -> None:
        """Make so many attempts, a bounded number at a time."""
        left = iter(range(attempts))
        async with aio.insecure_channel(self.target) as channel:

            async def attacker() -> None:
                for _ in left:
                    await self._attempt(channel, random, outcome)
                    outcome.attempts += 1

            await asyncio.gather(*(attacker() for _ in range(concurrency)))

    async def is_alive(self) -> bool:
        """Ask the server's health."""
        async with aio.insecure_channel(self.target) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            try:
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=30)
            except aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def _attempt(self, channel: aio.Channel, random: Random, outcome: Outcome) -> None:
        kind = random.random()
        if kind < SOCKET_PART:
            await asyncio.to_thread(sockets.send, self.target, sockets.wild_bytes(random))
            return
        method = random.choice(self.methods)
        parts = wild_call(method, random, self.hints)
        cancelled = kind < SOCKET_PART + CANCELLED_PART
        held_open = not cancelled and kind < SOCKET_PART + CANCELLED_PART + HELD_OPEN_PART
        if len(parts) == 1 and not held_open:
            send_one: _SendOne = channel.unary_stream if method.streams_replies else channel.unary_unary
            call: _Call = send_one(method.path)(parts[0], timeout=CALL_SECONDS)
        else:
            send_many: _SendMany = channel.stream_stream if method.streams_replies else channel.stream_unary
            call = send_many(method.path)(_sending(parts, held_open=held_open), timeout=CALL_SECONDS)
        if cancelled:
            await asyncio.sleep(random.random() / 50)
            call.cancel()
        code, text, trailing = await _end(call, streams=method.streams_replies)
        if text == _BROKEN_WRITE:
            outcome.statuses[method.path]["UNSEEN"] += 1
            return
        outcome.statuses[method.path][code.name] += 1
        if wrong := fault(code, text, trailing, paths=self.paths):
            outcome.note(method.path, wrong)


async def _sending(parts: Sequence[bytes], *, held_open: bool) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if held_open:
        await asyncio.sleep(HELD_OPEN_SECONDS)


async def _end(call: Any, *, streams: bool) -> tuple[grpc.StatusCode, str, dict[str, str | bytes]]:
    try:
        if streams:
            async for _ in call:
                pass
        else:
            await call
    except aio.AioRpcError as error:
        return error.code(), error.details() or "", dict(error.trailing_metadata() or ())
    except asyncio.CancelledError:
        if not call.cancelled():
            raise
    return await call.code(), await call.details() or "", dict(await call.trailing_metadata() or ())
