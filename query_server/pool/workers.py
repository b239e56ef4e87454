"""What other machines can do of an index build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from query_server.pool.blocks import Span
from query_server.pool.encoding import Encoded


class BuildWorkers(Protocol):
    """Machines that see the same files; results come in the order asked, the same bits as made here."""

    def encode(self, spans: Sequence[Span]) -> Iterator[Encoded]:
        """Yield the raw samples and features of each span of the pool's rows.

        Raises:
            DowserError, SampleError: As encoding here refuses.
        """

    def fill(self, directory: Path, spans: Sequence[Span]) -> Iterator[bytes]:
        """Yield each span's block, as `filled_block` returns it."""
