"""A uniform draw: the floor under every other source, and the yardstick by which they are measured."""

from __future__ import annotations

from typing import ClassVar

from query_server.selection.board import Proposal
from query_server.selection.round import Round, draw
from query_server.selection.values import Source


class RandomDraw:
    """Open rows, uniformly without replacement."""

    source: ClassVar[Source] = Source.RANDOM
    step: ClassVar[int] = 0

    def propose(self, round_: Round, count: int) -> Proposal:
        """Draw."""
        with round_.clock.stage("draw"):
            rng = round_.rng(Source.RANDOM)
            return Proposal(rows=draw(round_.open, count, rng))
