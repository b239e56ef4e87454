"""What a campaign remembers from one round to the next; it lies in the ledger beside the round's leases.

Samples are remembered by pool id, not by row, so that a memory outlives the index it was made with.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from query_server.selection.board import SOURCES
from query_server.selection.ports import Float32, Int64, UInt64

#: Unpicked candidates that are carried over at most.
MAX_CARRIED = 1000


def _per_source() -> NDArray[np.float64]:
    return np.zeros(len(SOURCES))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A campaign's memory.

    Attributes:
        latents: Where the last ascent ended float32 [S, Z], the highest score first; [0, 0] without one.
        carried_ids: The best candidates that were not picked uint64 [K], best first.
        pending_ids: Picks whose labels have not been looked at uint64 [P].
        pending_sources: What proposed them int64 [P].
        pending_predicted: The class predicted for each int64 [P].
        settled: Labeled picks of each source, discounted by age float64 [S'].
        worth: Sum of their worth, discounted likewise float64 [S'].
        labeled: Labeled picks of each source float64 [S'].
        contradicted: Those whose label was not the class predicted float64 [S'].
        rarity: Sum of the rarity of the classes they turned out to be float64 [S'].
    """

    latents: Float32 = field(default_factory=lambda: np.empty((0, 0), np.float32))
    carried_ids: UInt64 = field(default_factory=lambda: np.empty(0, np.uint64))
    pending_ids: UInt64 = field(default_factory=lambda: np.empty(0, np.uint64))
    pending_sources: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    pending_predicted: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    settled: NDArray[np.float64] = field(default_factory=_per_source)
    worth: NDArray[np.float64] = field(default_factory=_per_source)
    labeled: NDArray[np.float64] = field(default_factory=_per_source)
    contradicted: NDArray[np.float64] = field(default_factory=_per_source)
    rarity: NDArray[np.float64] = field(default_factory=_per_source)

    def to_bytes(self) -> bytes:
        """Write the memory."""
        buffer = io.BytesIO()
        np.savez(buffer, **{each.name: getattr(self, each.name) for each in fields(self)})
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, written: bytes) -> Memory:
        """Read a memory; empty bytes are that of a campaign's first round."""
        if not written:
            return cls()
        with np.load(io.BytesIO(written), allow_pickle=False) as arrays:
            known = {each.name: arrays[each.name] for each in fields(cls) if each.name in arrays}
        for name in ("settled", "worth", "labeled", "contradicted", "rarity"):
            # A source, or a count of them all, that was added after this memory was written.
            written_counts = known.get(name, np.empty(0))
            known[name] = np.pad(written_counts, (0, max(0, len(SOURCES) - len(written_counts))))
        return cls(**known)
