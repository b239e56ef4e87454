"""Neighbors of labeled samples, those of the classes with the fewest labels before others.

SEALS (``seals``) takes the same number around every labeled sample. Here every class gets a part in inverse proportion
to its labels, so that what is rare is looked for where it was found.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from query_server.selection.board import Proposal
from query_server.selection.round import Round
from query_server.selection.sources.nearest import near_groups
from query_server.selection.values import Source

# Labeled samples of one class that are asked for neighbors in a round.
_QUERIES = 64


class LabeledNeighbors:
    """The nearest open rows of labeled samples."""

    source: ClassVar[Source] = Source.LABELED_NEIGHBORS
    step: ClassVar[int] = 0

    def propose(self, round_: Round, count: int) -> Proposal:
        """Search around every class that has labels."""
        labeled = round_.labeled
        rng = round_.rng(self.source)
        found = np.unique(labeled.labels)
        members = [np.flatnonzero(labeled.labels == each) for each in found]
        parts = np.array([1.0 / len(each) for each in members])
        quotas = np.ceil(count * parts / parts.sum()).astype(int) if len(parts) else parts
        order = np.argsort(-parts, kind="stable")
        groups = [labeled.rows[rng.permutation(members[each])[:_QUERIES]] for each in order]
        proposal = near_groups(round_, groups, [int(quotas[each]) for each in order])
        return Proposal(rows=proposal.rows[:count], visited=proposal.visited)
