"""Candidates, and the selections made of them."""

from __future__ import annotations

import numpy as np

from client.conversion.replies import values
from client.conversion.replies.selection import selection
from client.types.proposals import Candidate, Proposal
from client.types.selection import Selection
from dowser.v1 import selection_pb2


def proposal(reply: selection_pb2.ProposeSamplesResponse, *, proposal_id: str) -> Proposal:
    """Read candidates; the reply does not repeat the id they were asked for with."""
    return Proposal(
        proposal_id=proposal_id,
        candidates=tuple(
            Candidate(
                pool_id=each.pool_id,
                source=values.source(each.source),
                synthetic_index=values.optional(each, "synthetic_index", int),
                distance=values.optional(each, "distance", float),
            )
            for each in reply.candidates
        ),
        shares={values.source(each.source): each.share for each in reply.shares},
        reasons=tuple(reply.reasons),
        seed=reply.seed,
        index_version=reply.index_version,
        timings=values.timings(reply.timings),
        total_seconds=reply.total_seconds,
        visited=reply.visited,
        unique_match_rate=values.optional(reply, "unique_match_rate", float),
        synthetic_scores=values.array(reply.synthetic_scores, np.float32),
    )


def committed_selection(reply: selection_pb2.CommitSelectionResponse) -> Selection:
    """Read the selection that a commit made."""
    return selection(reply.selection)
