"""Selection in two calls, for pools whose samples stay with their owner: propose here, score there, commit here.

The proposal fills the same board as a selection, by the same sources, but scores nothing, and leases what it names, so
that no two callers score the same candidates. Its answer, which the ledger keeps under its request id, is all that the
commit needs to know: what a caller cannot alter it cannot get wrong. The commit puts the scores on the board and goes
on as a selection does: batch rule, diagnosis, memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from query_server.acquisition import acquisition_function, class_prior_weights
from query_server.campaigns.values import RankedListExhaustedError, Request
from query_server.errors import (
    budget_exceeds_pool,
    invalid_argument,
    pool_not_found,
)
from query_server.selection import strategies
from query_server.selection.attempts import answered
from query_server.selection.batches.registry import batch_rule
from query_server.selection.board import Entries
from query_server.selection.evidence import LabeledSet, settle
from query_server.selection.memory import Memory
from query_server.selection.outcome import choose, conclusion
from query_server.selection.policy import Allocation
from query_server.selection.ports import Campaigns, Checkpoint, Classifiers, Float32, Pool
from query_server.selection.prepare import (
    allocate,
    check_campaign,
    check_index_version,
    check_shares,
    labeled_set,
    open_round,
    seed_of,
)
from query_server.selection.proposals import MAX_CANDIDATES, PROPOSE, Proposed, ScoredCandidates
from query_server.selection.round import Round
from query_server.selection.sources import PROPOSAL_SOURCES
from query_server.selection.unscored import NoClassifier
from query_server.selection.values import (
    BatchRuleName,
    DowserStrategy,
    Selection,
    SelectionRequest,
    Source,
    SynthesisOptions,
    SyntheticSamples,
)
from query_server.timing import StageClock

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class RemoteScoring:
    """Proposes candidates, and picks among them by the caller's scores.

    Attributes:
        pools: Returns the current state of the pool; a call asks once and sees that one throughout.
        pool_name: Its name.
        campaigns: The durable ledger.
        classifiers: The uploaded ones.
    """

    pools: Callable[[], Pool]
    pool_name: str
    campaigns: Campaigns
    classifiers: Classifiers

    def propose(
        self,
        request: SelectionRequest,
        write: Request,
        *,
        answer: Callable[[Proposed], bytes],
        checkpoint: Checkpoint,
    ) -> bytes:
        """Name candidates and lease them to the proposal; the same ``write`` again returns the same answer.

        Args:
            request: The round's question; its strategy is Dowser's, its batch of no account.
            write: Its identity, which the commit names.
            answer: Turns the proposal into the bytes that are stored and returned.
            checkpoint: Raises once the caller no longer waits; then nothing is changed.

        Raises:
            DowserError: As ``SelectionService.select`` raises.
        """
        return answered(
            self.campaigns,
            write,
            lambda: self._propose_once(request, write, answer, checkpoint),
            stage="hold",
            checkpoint=checkpoint,
        )

    def commit(
        self,
        request: ScoredCandidates,
        write: Request,
        *,
        read: Callable[[bytes], Proposed],
        answer: Callable[[Selection], bytes],
        checkpoint: Checkpoint,
    ) -> bytes:
        """Pick among a proposal's candidates and end the leases of the others.

        Args:
            request: The caller's scores.
            write: The identity of the commit.
            read: Reads what ``propose`` answered.
            answer: Turns the selection into the bytes that are stored and returned.
            checkpoint: Raises once the caller no longer waits; then nothing is changed.

        Raises:
            DowserError: INVALID_ARGUMENT (also for a proposal that is unknown, committed or released),
                SHAPE_MISMATCH, NOT_FINITE, CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND, REQUEST_ID_REUSED, CANCELLED or
                DEADLINE_EXCEEDED.
        """
        with self.campaigns.exclusive(write) as stored:
            if stored is not None:
                return stored
            written = self.campaigns.answered(request.proposal_id, PROPOSE)
            if written is None:
                raise invalid_argument(
                    "proposal_id",
                    request.proposal_id[:128],
                    "the request_id of an answered ProposeSamples call",
                )
            return self._commit_once(request, read(written), write, answer, checkpoint)

    def _propose_once(
        self,
        request: SelectionRequest,
        write: Request,
        answer: Callable[[Proposed], bytes],
        checkpoint: Checkpoint,
    ) -> bytes:
        clock, pool = StageClock(), self.pools()
        strategy = request.strategy
        assert isinstance(strategy, DowserStrategy)  # the message has no other
        with clock.stage("prepare"):
            snapshot = self.campaigns.snapshot(request.campaign_id, pool)
            check_campaign(request.budget, snapshot.info, self.pool_name)
            check_index_version(request.min_index_version, pool.index_version)
            check_shares(strategy)
            if not request.budget <= strategy.max_scored <= MAX_CANDIDATES:
                raise invalid_argument(
                    "max_scored",
                    strategy.max_scored,
                    f"at least the budget ({request.budget}) and at most {MAX_CANDIDATES}; "
                    "SelectSamples does plain ASAL",
                )
            seed = seed_of(request.seed, snapshot.info)
            round_ = open_round(
                request,
                snapshot,
                pool=pool,
                classifiers=self.classifiers,
                seed=seed,
                clock=clock,
                checkpoint=checkpoint,
                scoring=False,
            )
            allocation = _proposable(
                allocate(strategy, round_, snapshot.info.rounds + 1), request.classifier_id is not None
            )
        strategies.search(round_, allocation, strategy.max_scored)
        entries = round_.board.entries()
        pool_ids = pool.ids_of(entries.rows)
        made = round_.synthetic
        proposed = Proposed(
            pool_ids=pool_ids,
            sources=entries.sources,
            synthetic=entries.synthetic,
            distances=entries.distances,
            shares=allocation.shares,
            reasons=allocation.reasons,
            seed=seed,
            index_version=pool.index_version,
            visited=round_.board.visited,
            unique_match_rate=round_.unique_match_rate,
            latents=None if made is None else made.latents,
            synthetic_scores=np.empty(0, np.float32) if made is None else made.scores,
            timings=clock.timings(),
            total_seconds=clock.total_seconds(),
        )

        def build() -> bytes:
            checkpoint("commit")  # the last moment to change nothing
            return answer(proposed)

        return self.campaigns.hold(request.campaign_id, pool_ids, write, build)

    def _commit_once(
        self,
        request: ScoredCandidates,
        proposed: Proposed,
        write: Request,
        answer: Callable[[Selection], bytes],
        checkpoint: Checkpoint,
    ) -> bytes:
        clock, pool = StageClock(), self.pools()
        with clock.stage("prepare"):
            snapshot = self.campaigns.snapshot(request.campaign_id, pool)
            if snapshot.info.pool != self.pool_name:
                raise pool_not_found(snapshot.info.pool)
            rule = batch_rule(request.batch.rule or BatchRuleName.CLASS_BALANCED)
            if rule.needs_passes and request.probabilities.ndim == 2:
                raise invalid_argument(
                    "batch.rule",
                    rule.name,
                    "a rule for one distribution; this one needs probabilities [T, M, C] of stochastic passes",
                )
            classes = request.probabilities.shape[-1]
            labeled = labeled_set(snapshot, classes)
            entries = _entries(pool, request, proposed, labeled, embedding=not rule.needs_labeled)
            if request.budget > len(entries):
                raise budget_exceeds_pool(request.budget, len(entries), scored=True)
            bound = math.inf
            if request.acquisition is not None and not request.class_prior_weight:
                bound = acquisition_function(request.acquisition).bound(classes)
            round_ = Round(
                pool=pool,
                classifier=NoClassifier(),
                open=snapshot.available,
                labeled=labeled,
                memory=settle(Memory.from_bytes(snapshot.memory), labeled),
                budget=request.budget,
                synthesis=SynthesisOptions(),
                seed=proposed.seed,
                clock=clock,
                checkpoint=checkpoint,
                score_bound=bound,
                synthetic=_synthetic(proposed),
                unique_match_rate=proposed.unique_match_rate,
            )
            round_.board.extend(entries, scored=len(entries), visited=proposed.visited)
        with clock.stage("choose"):
            order = choose(rule, request.batch, round_, entries)
        build = conclusion(
            round_,
            entries=entries,
            order=order,
            budget=request.budget,
            allocation=Allocation(shares=proposed.shares, reasons=proposed.reasons),
            remembers=True,
            clock=clock,
            seed=proposed.seed,
            index_version=pool.index_version,
            answer=answer,
            checkpoint=checkpoint,
        )
        pool_ids = pool.ids_of(entries.rows[order])
        try:
            return self.campaigns.settle(
                request.campaign_id, request.proposal_id, pool_ids, request.budget, write, build
            )
        except RankedListExhaustedError as error:
            raise invalid_argument(
                "budget",
                request.budget,
                f"at most the {error.free} scored candidates that the proposal still holds (others were labeled, "
                "released, or committed before); propose again",
            ) from error


def _entries(
    pool: Pool, request: ScoredCandidates, proposed: Proposed, labeled: LabeledSet, *, embedding: bool
) -> Entries:
    """Put the scores beside their candidates, in the proposal's order; what the pool no longer has is left out."""
    by_id = np.argsort(proposed.pool_ids)
    at = np.searchsorted(proposed.pool_ids[by_id], request.pool_ids)
    places = by_id[np.minimum(at, len(by_id) - 1)]
    strange = request.pool_ids[proposed.pool_ids[places] != request.pool_ids]
    if len(strange):
        raise invalid_argument("pool_ids", int(strange[0]), "candidates of the proposal")
    rows = pool.rows_of(request.pool_ids)
    given = np.argsort(places, kind="stable")
    given = given[rows[given] >= 0]
    places = places[given]
    probabilities = request.probabilities[..., given, :]
    passes = probabilities if probabilities.ndim == 3 else None
    mean = probabilities if passes is None else passes.mean(axis=0)
    scores = request.scores[given]
    if request.class_prior_weight:
        rarity = mean @ class_prior_weights(labeled.counts(), request.class_prior_weight).astype(np.float64)
        weighted = np.where(scores > 0, scores * rarity, scores / rarity)
        scores = np.clip(weighted, -_LARGEST, _LARGEST).astype(np.float32)
    return Entries(
        rows=rows[given],
        sources=proposed.sources[places],
        scores=scores,
        predicted=mean.argmax(axis=1),
        probabilities=mean,
        passes=passes,
        embedding=request.embedding[given] if embedding and request.embedding is not None else None,
        synthetic=proposed.synthetic[places],
        distances=proposed.distances[places],
    )


def _proposable(allocation: Allocation, classifier: bool) -> Allocation:
    """Give the parts of sources that need scores, or a classifier that is not there, to random draws."""
    reasons, shares = list(allocation.reasons), dict(allocation.shares)
    for source in allocation.shares:
        if PROPOSAL_SOURCES[source]().step:
            reasons.append(f"{source} looks at scores and the server has none: random draws take its part")
        elif source is Source.SYNTHESIS and not classifier:
            reasons.append("synthesis needs a classifier and none was named: random draws take its part")
        else:
            continue
        del shares[source]
    if len(shares) == len(allocation.shares):
        return allocation
    shares[Source.RANDOM] = shares.get(Source.RANDOM, 0.0) + 1.0 - sum(shares.values())
    return replace(allocation, shares=shares, reasons=tuple(reasons))


def _synthetic(proposed: Proposed) -> SyntheticSamples | None:
    """Return what is still known of the synthetic samples: latents and scores."""
    if proposed.latents is None:
        return None
    nothing: Float32 = np.empty((0, 0), np.float32)
    return SyntheticSamples(
        x=nothing,
        latents=proposed.latents,
        scores=proposed.synthetic_scores,
        initial_scores=np.empty(0, np.float32),
        features=nothing,
    )
