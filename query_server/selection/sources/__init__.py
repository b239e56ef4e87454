"""Proposal sources: where candidates come from. One file a source; this registry is all that names them."""

from __future__ import annotations

from collections.abc import Callable

from query_server.selection.sources.carry_over import CarryOver
from query_server.selection.sources.class_anchors import ClassAnchors
from query_server.selection.sources.climb import Climb
from query_server.selection.sources.labeled_neighbors import LabeledNeighbors
from query_server.selection.sources.random_draw import RandomDraw
from query_server.selection.sources.seals import Seals
from query_server.selection.sources.source import ProposalSource
from query_server.selection.sources.surrogate import Surrogate
from query_server.selection.sources.synthesis import Synthesis
from query_server.selection.values import Source

#: In the order in which a round asks them: who comes first is named as the one that found a sample, and those that
#: look at the board come last.
PROPOSAL_SOURCES: dict[Source, Callable[[], ProposalSource]] = {
    Source.RANDOM: RandomDraw,
    Source.CARRY_OVER: CarryOver,
    Source.LABELED_NEIGHBORS: LabeledNeighbors,
    Source.SEALS: Seals,
    Source.CLASS_ANCHORS: ClassAnchors,
    Source.SYNTHESIS: Synthesis,
    Source.SURROGATE: Surrogate,
    Source.CLIMB: Climb,
}

__all__ = ["PROPOSAL_SOURCES", "ProposalSource"]
