"""Reads the stream of AddSamples: a header, then chunks, never more of them than announced and allowed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dowser.v1 import pools_pb2
from query_server.campaigns.values import Request
from query_server.errors import invalid_argument, overloaded, shape_mismatch, too_large
from query_server.pool import SampleKind
from query_server.pool.additions import MAX_CHANGED
from query_server.rpc import convert
from query_server.rpc.headed import headed

_KINDS: dict[int, SampleKind] = {
    pools_pb2.SAMPLE_KIND_UNSPECIFIED: "raw",
    pools_pb2.SAMPLE_KIND_RAW: "raw",
    pools_pb2.SAMPLE_KIND_FEATURES: "features",
}


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a call wants to add.

    Attributes:
        values: Raw samples [n, *raw_shape] or features float32 [n, D].
        kind: Which of the two.
        pool_ids: Their ids uint64 [n]; None where the server assigns them.
        write: The call's identity; how the values were cut into chunks is no part of it.
    """

    values: NDArray[Any]
    kind: SampleKind
    pool_ids: NDArray[np.uint64] | None
    write: Request


class Room:
    """Bytes that all AddSamples calls under way may hold together. For the event loop's thread alone.

    Args:
        call_bytes: Largest call; two of that size fit.
    """

    def __init__(self, call_bytes: int) -> None:
        self.call_bytes = call_bytes
        self._left = 2 * call_bytes

    def take(self, size_bytes: int) -> None:
        """Hold so many bytes more; raises OVERLOADED where there is no room for them now."""
        if size_bytes > self._left:
            raise overloaded("the room for samples being added, in bytes,", 2 * self.call_bytes, 1.0)
        self._left -= size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Let go of them."""
        self._left += size_bytes


@asynccontextmanager
async def received(
    parts: AsyncIterator[pools_pb2.AddSamplesRequest], *, require_pool: Callable[[str], None], room: Room
) -> AsyncIterator[Received]:
    """Collect a stream, and hold its room until the block ends.

    Args:
        parts: The messages.
        require_pool: Raises for a pool that is not served.
        room: For values and ids.

    Raises:
        DowserError: INVALID_ARGUMENT, SHAPE_MISMATCH, NOT_FINITE, TOO_LARGE, POOL_NOT_FOUND or OVERLOADED.
    """
    held_bytes = 0

    def hold(size_bytes: int) -> None:
        nonlocal held_bytes
        if held_bytes + size_bytes > room.call_bytes:
            raise too_large("the size of one call (send the samples in several)", room.call_bytes)
        room.take(size_bytes)
        held_bytes += size_bytes

    try:
        yield await _collect(parts, require_pool, hold)
    finally:
        room.give_back(held_bytes)


async def _collect(
    parts: AsyncIterator[pools_pb2.AddSamplesRequest],
    require_pool: Callable[[str], None],
    hold: Callable[[int], None],
) -> Received:
    chunks: list[NDArray[Any]] = []
    ids: list[NDArray[np.uint64]] = []
    count = 0
    async for header, part in headed(parts, of="call"):
        if part is None:
            _check(header, require_pool)
            continue
        values = _values(part.chunk, chunks)
        count += len(values)
        if count > header.count:
            raise invalid_argument("count", count, f"the announced {header.count} samples in all")
        hold(values.nbytes + 8 * len(part.chunk.pool_ids))
        chunks.append(values)
        ids.append(np.fromiter(part.chunk.pool_ids, np.uint64, len(part.chunk.pool_ids)))
    if count != header.count:
        raise invalid_argument("count", count, f"the announced {header.count} samples in all")
    pool_ids = np.concatenate(ids)
    if len(pool_ids) and any(len(own) != len(chunk) for own, chunk in zip(ids, chunks, strict=True)):
        raise invalid_argument(
            "pool_ids", f"{len(pool_ids)} of {count}", "one for each sample of every chunk, or none at all"
        )
    joined = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    return Received(
        values=joined,
        kind=_KINDS[header.kind],
        pool_ids=pool_ids if len(pool_ids) else None,
        write=_identity(header, joined, pool_ids),
    )


def _check(header: pools_pb2.AddSamplesHeader, require_pool: Callable[[str], None]) -> None:
    """Refuse what no chunk can make right."""
    convert.write_request(header, "AddSamples")
    require_pool(header.pool)
    if not 1 <= header.count <= MAX_CHANGED:
        raise invalid_argument("count", header.count, f"1 to {MAX_CHANGED}; send more in several calls")
    if header.kind not in _KINDS:
        raise invalid_argument("kind", header.kind, "a known SampleKind")


def _values(chunk: pools_pb2.AddSamplesChunk, before: list[NDArray[Any]]) -> NDArray[Any]:
    """Read the values of a chunk, which must continue those before."""
    values = convert.array(chunk.values, field="values")
    if not len(values):
        raise invalid_argument("values", "no samples", "at least 1 sample in every chunk")
    if before and values.shape[1:] != before[0].shape[1:]:
        raise shape_mismatch(("n", *before[0].shape[1:]), values.shape, what="a later chunk")
    if before and values.dtype != before[0].dtype:
        raise invalid_argument("values.dtype", str(values.dtype), f"{before[0].dtype}, as in the first chunk")
    return values


def _identity(
    header: pools_pb2.AddSamplesHeader, values: NDArray[Any], pool_ids: NDArray[np.uint64]
) -> Request:
    """Return the identity of the whole call."""
    write = convert.write_request(header, "AddSamples")
    digest = hashlib.sha256(write.fingerprint)
    digest.update(f"{values.dtype} {values.shape} {len(pool_ids)};".encode())
    digest.update(np.ascontiguousarray(values).data)
    digest.update(pool_ids.data)
    return Request(id=write.id, method=write.method, fingerprint=digest.digest())
