"""Receives an import: a header, then chunks, bounded in all that it may hold."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from dowser.v1 import campaigns_pb2
from query_server.campaigns import CampaignContent, Request
from query_server.errors import invalid_argument, too_large
from query_server.rpc import campaign_values, convert
from query_server.rpc.headed import headed

MAX_IMPORTED = 1_000_000
MAX_IMPORTED_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True)
class Received:
    """One import as it came.

    Attributes:
        header: Names the campaign.
        chunks: Its content.
        write: The identity of the import: of the header and of all chunks.
    """

    header: campaigns_pb2.ImportCampaignHeader
    chunks: list[campaigns_pb2.ImportCampaignChunk] = field(default_factory=list)
    write: Request

    def content(self) -> CampaignContent:
        """Read the chunks; blocks for as long as they are large.

        Raises:
            DowserError: INVALID_ARGUMENT.
        """
        return CampaignContent(
            events=[campaign_values.read_label_event(m) for chunk in self.chunks for m in chunk.events],
            leases=[campaign_values.read_lease_term(m) for chunk in self.chunks for m in chunk.leases],
            rounds=[campaign_values.read_round_info(m) for chunk in self.chunks for m in chunk.rounds],
        )


async def receive(parts: AsyncIterator[campaigns_pb2.ImportCampaignRequest]) -> Received:
    """Collect the parts of an import.

    Raises:
        DowserError: INVALID_ARGUMENT for a missing or second header or too many entries, TOO_LARGE for too
            many bytes.
    """
    chunks: list[campaigns_pb2.ImportCampaignChunk] = []
    digest = hashlib.sha256()
    entries = size_bytes = 0
    async for header, part in headed(parts, of="import"):
        if part is None:
            write = convert.write_request(header, "ImportCampaign")
            continue
        chunk = part.chunk
        entries += len(chunk.events) + len(chunk.leases) + len(chunk.rounds)
        if entries > MAX_IMPORTED:
            limit = f"at most {MAX_IMPORTED} events, leases and rounds"
            raise invalid_argument("chunk", f"{entries} entries", limit)
        size_bytes += chunk.ByteSize()
        if size_bytes > MAX_IMPORTED_BYTES:
            raise too_large("an import", MAX_IMPORTED_BYTES)
        if chunk.ByteSize():
            digest.update(chunk.SerializeToString(deterministic=True))
            chunks.append(chunk)
    fingerprint = hashlib.sha256(write.fingerprint + digest.digest()).digest()
    return Received(
        header=header,
        chunks=chunks,
        write=Request(id=write.id, method=write.method, fingerprint=fingerprint),
    )
