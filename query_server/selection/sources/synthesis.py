"""Synthetic samples of high score, and the real ones nearest to them (ASAL §4)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from query_server.selection.ascent import synthesize
from query_server.selection.board import Proposal
from query_server.selection.matching import nearest_many
from query_server.selection.round import Round
from query_server.selection.values import Source

# Latents of a source that shares the round with others: enough to spread over the classes, at a fifth of ASAL's cost.
_LATENTS = 16


class Synthesis:
    """The nearest open rows of every synthetic sample before their next nearest."""

    source: ClassVar[Source] = Source.SYNTHESIS
    step: ClassVar[int] = 0

    def propose(self, round_: Round, count: int) -> Proposal:
        """Synthesize once a round, and match."""
        if round_.synthetic is None:
            round_.synthetic = synthesize(
                round_.classifier,
                latents=round_.synthesis.latents or min(_LATENTS, round_.budget),
                options=round_.synthesis,
                rng=round_.rng(Source.SYNTHESIS),
                clock=round_.clock,
                checkpoint=round_.checkpoint,
                start_from=round_.memory.latents,
            )
        features = round_.synthetic.features
        round_.checkpoint("search")
        with round_.clock.stage("search"):
            matches = nearest_many(round_.pool, features, count=count, available=round_.open)
        if round_.unique_match_rate is None and len(matches.rows):
            round_.unique_match_rate = len(np.unique(matches.nearest)) / len(features)
        return Proposal(
            rows=matches.rows,
            synthetic=matches.synthetic,
            distances=matches.distances,
            visited=matches.visited,
        )
