"""Neighbors of labeled samples, whatever their class.

SEALS (Coleman et al. 2022, *Similarity Search for Efficient Active Learning and Search of Rare Concepts*, algorithm 1)
restricts each round to the k nearest neighbors of what is labeled, and keeps what it has fetched. Here they are fetched
anew, the nearest of every labeled sample before their next nearest, up to the share.
"""

from __future__ import annotations

from typing import ClassVar

from query_server.selection.board import Proposal
from query_server.selection.round import Round
from query_server.selection.sources.nearest import near_groups
from query_server.selection.values import Source

# Labeled samples that are asked for neighbors in a round.
_QUERIES = 512


class Seals:
    """The nearest open rows of labeled samples, all alike."""

    source: ClassVar[Source] = Source.SEALS
    step: ClassVar[int] = 0

    def propose(self, round_: Round, count: int) -> Proposal:
        """Search around labeled samples, drawn where there are many."""
        chosen = round_.rng(self.source).permutation(round_.labeled.rows)[:_QUERIES]
        return near_groups(round_, [chosen], [count])
