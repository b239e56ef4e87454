"""Streamed requests of a header and chunks, ``oneof part { header; chunk }``: read in that order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from query_server.errors import invalid_argument


async def headed(parts: AsyncIterator[Any], *, of: str) -> AsyncIterator[tuple[Any, Any | None]]:
    """Yield (header, None), and then (header, message) of every message with a chunk.

    Args:
        parts: The messages.
        of: What the caller calls the stream, for errors.

    Raises:
        DowserError: INVALID_ARGUMENT for a header that is missing, late or sent twice.
    """
    header = None
    async for part in parts:
        if part.WhichOneof("part") == "header":
            if header is not None:
                raise invalid_argument("header", "a second header", "the first message only")
            header = part.header
            yield header, None
        elif header is None:
            raise invalid_argument("header", "a chunk", f"the first message of the {of}")
        else:
            yield header, part
    if header is None:
        raise invalid_argument("header", "nothing", f"the first message of the {of}")
