"""The strategies of a round: Dowser's own, and the baselines it is held against.

Each fills the round's board. All but the exhaustive one cost the same at any pool size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from query_server.selection.ascent import synthesize
from query_server.selection.board import Proposal
from query_server.selection.matching import nearest_unshared
from query_server.selection.policy import Allocation
from query_server.selection.round import Round
from query_server.selection.sources import PROPOSAL_SOURCES, ProposalSource
from query_server.selection.sources.random_draw import RandomDraw
from query_server.selection.values import Source

_CHUNK = 8192
# Of a whole pool the board keeps the best this many times the budget, and as often the budget of every class.
_KEPT, _KEPT_OF_CLASS = 100, 4


def search(
    round_: Round,
    allocation: Allocation,
    max_scored: int,
    sources: Mapping[Source, Callable[[], ProposalSource]] = PROPOSAL_SOURCES,
) -> None:
    """Score what the sources propose, each up to its part; what some leave over is drawn at random."""
    counts = allocation.counts(max_scored)
    proposed = 0
    for source, make in sources.items():
        if source in counts:
            proposer = make()
            left = min(counts[source], round_.open.count)
            while left > 0:
                proposal = proposer.propose(round_, min(left, proposer.step or left))
                if not len(proposal.rows):
                    break
                round_.score(source, proposal)
                left -= len(proposal.rows)
                proposed += len(proposal.rows)
    if proposed < max_scored:
        round_.score(Source.RANDOM, RandomDraw().propose(round_, max_scored - proposed))


def plain(round_: Round) -> None:
    """Match every synthetic sample with its nearest real one (ASAL as it is published).

    The matches are picked in the order of the synthetic scores; their own are only found to explain the picks.
    """
    made = synthesize(
        round_.classifier,
        latents=round_.synthesis.latents or round_.budget,
        options=round_.synthesis,
        rng=round_.rng(Source.SYNTHESIS),
        clock=round_.clock,
        checkpoint=round_.checkpoint,
        start_from=round_.memory.latents,
    )
    round_.synthetic = made
    order = np.argsort(-made.scores, kind="stable")
    round_.checkpoint("search")
    with round_.clock.stage("search"):
        matches = nearest_unshared(
            round_.pool, made.features[order], count=round_.budget, available=round_.open
        )
    round_.unique_match_rate = len(np.unique(matches.nearest)) / len(order)
    proposal = Proposal(
        rows=matches.rows,
        synthetic=order[matches.synthetic],
        distances=matches.distances,
        visited=matches.visited,
    )
    round_.score(Source.SYNTHESIS, proposal)


def exhaustive(round_: Round) -> None:
    """Score every open sample: the O(N) reference. The board keeps the best of them."""
    rows = round_.open.rows()
    for start in range(0, len(rows), _CHUNK):
        round_.score(Source.EXHAUSTIVE, Proposal(rows=rows[start : start + _CHUNK]))
        round_.board.trim(best=_KEPT * round_.budget, per_class=_KEPT_OF_CLASS * round_.budget)


def random_subset(round_: Round, max_scored: int) -> None:
    """Score a uniform subset: the rival that costs the same as Dowser."""
    round_.score(Source.RANDOM, RandomDraw().propose(round_, max_scored))
