"""The best candidates of earlier rounds that were not picked: scored anew, as the classifier has changed."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from query_server.selection.board import NOTHING, Proposal
from query_server.selection.round import Round
from query_server.selection.values import Source


class CarryOver:
    """What the campaign's memory kept, best first."""

    source: ClassVar[Source] = Source.CARRY_OVER
    step: ClassVar[int] = 0

    def propose(self, round_: Round, count: int) -> Proposal:
        """Return what is still open."""
        ids = round_.memory.carried_ids
        if not len(ids):
            return NOTHING
        rows = round_.pool.rows_of(ids)
        rows = rows[rows >= 0]
        return Proposal(rows=rows[np.flatnonzero(round_.open[rows])][:count])
