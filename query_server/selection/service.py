"""One round: exclude what is taken, find candidates, pick, and lease the picks to the caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from query_server.acquisition import acquisition_function
from query_server.campaigns.values import CampaignInfo, Request
from query_server.errors import invalid_argument, samples_not_stored
from query_server.selection import strategies
from query_server.selection.ascent import synthesize
from query_server.selection.attempts import answered
from query_server.selection.batches.registry import batch_rule
from query_server.selection.batches.rule import BatchRule
from query_server.selection.board import not_scored
from query_server.selection.conditions import compiled
from query_server.selection.outcome import choose, conclusion
from query_server.selection.policy import Allocation
from query_server.selection.ports import (
    Campaigns,
    Checkpoint,
    Classifiers,
    Float32,
    Neighborhood,
    Pool,
    TaskFeatures,
)
from query_server.selection.prepare import (
    allocate,
    check_campaign,
    check_index_version,
    check_shares,
    open_round,
    seed_of,
    targets_of,
)
from query_server.selection.round import Round, draw
from query_server.selection.values import (
    MAX_LATENTS,
    BatchRuleName,
    DowserStrategy,
    ExhaustiveStrategy,
    RandomStrategy,
    RandomSubsetStrategy,
    Selection,
    SelectionRequest,
    Source,
    Strategy,
    SynthesisOptions,
    SyntheticSamples,
)
from query_server.timing import StageClock, StageTiming

MAX_SCORED = 1_000_000
# A ranked list is handed to the ledger with this many spares per pick: others may lease from it in the meantime.
_SPARES = 3


@dataclass(frozen=True, kw_only=True)
class SelectionService:
    """Answers which samples to label next.

    Attributes:
        pools: Returns the current state of the pool; a round asks once and sees that one throughout.
        pool_name: Its name.
        campaigns: The durable ledger.
        classifiers: The uploaded ones.
        task_features: Matching features of the campaigns' own classifiers, where those are used.
        task_refresh_rounds: Rounds between two refreshes of them, for classifiers with an embedding.
    """

    pools: Callable[[], Pool]
    pool_name: str
    campaigns: Campaigns
    classifiers: Classifiers
    task_features: TaskFeatures | None = None
    task_refresh_rounds: int = 3

    def select(
        self,
        request: SelectionRequest,
        write: Request,
        *,
        answer: Callable[[Selection], bytes],
        checkpoint: Checkpoint,
    ) -> bytes:
        """Pick and lease samples; the same ``write`` again returns the same answer.

        Args:
            request: The round's question.
            write: Its identity.
            answer: Turns the selection into the bytes that are stored and returned.
            checkpoint: Raises once the caller no longer waits; then nothing is changed.

        Raises:
            DowserError: INVALID_ARGUMENT, BUDGET_EXCEEDS_POOL, CAMPAIGN_NOT_FOUND, CLASSIFIER_NOT_FOUND,
                ACQUISITION_UNSUPPORTED, SAMPLES_NOT_STORED, NOT_FINITE, INDEX_VERSION_TOO_OLD,
                REQUEST_ID_REUSED, OVERLOADED, CANCELLED or DEADLINE_EXCEEDED.
        """
        return answered(
            self.campaigns,
            write,
            lambda: self._select_once(request, write, answer, checkpoint),
            stage="pick",
            checkpoint=checkpoint,
        )

    def synthesize(
        self,
        classifier_id: str,
        acquisition: str,
        options: SynthesisOptions,
        *,
        seed: int,
        checkpoint: Checkpoint,
    ) -> tuple[SyntheticSamples, tuple[StageTiming, ...]]:
        """Make informative synthetic samples without touching the pool.

        Raises:
            DowserError: As ``select`` raises for its classifier and options.
        """
        clock, pool = StageClock(), self.pools()
        with clock.stage("prepare"):
            classifier = compiled(
                self.classifiers,
                classifier_id,
                acquisition_function(acquisition),
                class_prior_weight=0.0,
                label_counts=None,
                targets=targets_of(pool, acquisition, seed, pool.open_rows(np.empty(0, np.int64))),
            )
        made = synthesize(
            classifier,
            latents=options.latents or 1,
            options=options,
            rng=np.random.default_rng(seed),
            clock=clock,
            checkpoint=checkpoint,
        )
        return made, clock.timings()

    def _select_once(
        self,
        request: SelectionRequest,
        write: Request,
        answer: Callable[[Selection], bytes],
        checkpoint: Checkpoint,
    ) -> bytes:
        clock, pool = StageClock(), self.pools()
        with clock.stage("prepare"):
            snapshot = self.campaigns.snapshot(request.campaign_id, pool)
            _validate(request, snapshot.info, pool, self.pool_name)
            rule = batch_rule(request.batch.rule or _default_rule(request.strategy))
            seed = seed_of(request.seed, snapshot.info)
            round_, embeds = None, False
            if request.classifier_id is not None:
                facts = self.classifiers.info(request.classifier_id)
                _check_rule(rule, facts.passes)
                embeds = facts.embedding_dim > 0
                round_ = open_round(
                    request,
                    snapshot,
                    pool=pool,
                    classifiers=self.classifiers,
                    seed=seed,
                    clock=clock,
                    checkpoint=checkpoint,
                    embedding=rule.needs_embedding,
                    task=self._task(request, snapshot.info.id, pool.rows),
                    scoring=pool.has_samples,
                )
        if round_ is None:
            with clock.stage("draw"):
                rows = draw(snapshot.available, request.budget, np.random.default_rng(seed))
            entries, allocation = not_scored(Source.RANDOM, rows), Allocation(shares={Source.RANDOM: 1.0})
            order = np.arange(len(rows))
        else:
            allocation, in_order = _fill(request.strategy, round_, snapshot.info.rounds + 1)
            entries = round_.board.entries()
            if in_order:
                order = np.arange(len(entries))
            else:
                with clock.stage("choose"):
                    order = choose(rule, request.batch, round_, entries)
        order = order[: request.budget * (1 + _SPARES)]
        with clock.stage("pick"):
            pool_ids = pool.ids_of(entries.rows[order])

        build = conclusion(
            round_,
            entries=entries,
            order=order,
            budget=request.budget,
            allocation=allocation,
            remembers=isinstance(request.strategy, DowserStrategy),
            clock=clock,
            seed=seed,
            index_version=pool.index_version,
            answer=answer,
            checkpoint=checkpoint,
        )
        reply = self.campaigns.lease(request.campaign_id, pool_ids, request.budget, write, build)
        if round_ is not None and embeds and isinstance(request.strategy, DowserStrategy):
            self._refresh(round_, snapshot.info)
        return reply

    def _task(self, request: SelectionRequest, campaign_id: str, rows: int) -> Neighborhood | None:
        """Return the features made of the campaign's own classifier, where the strategy looks at them."""
        if self.task_features is None or not isinstance(request.strategy, DowserStrategy):
            return None
        return self.task_features.current(campaign_id, rows)

    def _refresh(self, round_: Round, campaign: CampaignInfo) -> None:
        """Begin to make task-aware features of this round's classifier, which embeds, where it is their turn."""
        if self.task_features is None or campaign.rounds % self.task_refresh_rounds:
            return
        classifier = round_.classifier

        def embed(x: Float32) -> Float32:
            embedding = classifier.score(x, embedding=True).embedding
            assert embedding is not None  # it has one
            return embedding

        self.task_features.refresh(campaign.id, embed)


def _default_rule(strategy: Strategy) -> BatchRuleName:
    return BatchRuleName.CLASS_BALANCED if isinstance(strategy, DowserStrategy) else BatchRuleName.TOP


def _fill(strategy: Strategy, round_: Round, round_number: int) -> tuple[Allocation, bool]:
    """Fill the board; return the shares, and whether its order is that of the picks already."""
    match strategy:
        case DowserStrategy(max_scored=0):
            strategies.plain(round_)
            return Allocation(shares={Source.SYNTHESIS: 1.0}), True
        case DowserStrategy():
            allocation = allocate(strategy, round_, round_number)
            strategies.search(round_, allocation, strategy.max_scored)
            return allocation, False
        case ExhaustiveStrategy():
            strategies.exhaustive(round_)
            return Allocation(shares={Source.EXHAUSTIVE: 1.0}), False
        case RandomSubsetStrategy():
            strategies.random_subset(round_, strategy.max_scored)
            return Allocation(shares={Source.RANDOM: 1.0}), False
        case RandomStrategy():
            strategies.random_subset(round_, round_.budget)
            return Allocation(shares={Source.RANDOM: 1.0}), True


def _check_rule(rule: BatchRule, passes: int) -> None:
    if rule.needs_passes and not passes:
        raise invalid_argument(
            "batch.rule",
            rule.name,
            "a rule for one distribution; this one needs a classifier with stochastic passes",
        )


def _validate(request: SelectionRequest, campaign: CampaignInfo, pool: Pool, pool_name: str) -> None:
    check_campaign(request.budget, campaign, pool_name)
    check_index_version(request.min_index_version, pool.index_version)
    strategy = request.strategy
    if not pool.has_samples and _scores(request):
        raise samples_not_stored(pool_name)
    if isinstance(strategy, DowserStrategy | RandomSubsetStrategy):
        unscored = isinstance(strategy, DowserStrategy) and strategy.max_scored == 0
        if not unscored and not request.budget <= strategy.max_scored <= MAX_SCORED:
            limit = f"at least the budget ({request.budget}) and at most {MAX_SCORED}"
            if isinstance(strategy, DowserStrategy):
                limit = f"0, or {limit}"
            raise invalid_argument("max_scored", strategy.max_scored, limit)
    if isinstance(strategy, DowserStrategy):
        check_shares(strategy)
    if (
        isinstance(strategy, DowserStrategy)
        and strategy.max_scored == 0
        and not strategy.synthesis.latents
        and request.budget > MAX_LATENTS
    ):
        raise invalid_argument("latents", 0, f"1 to {MAX_LATENTS} where the budget is above {MAX_LATENTS}")
    if request.classifier_id is None and not isinstance(strategy, RandomStrategy):
        raise invalid_argument(
            "classifier_id", "", "the id of an uploaded classifier; only random needs none"
        )


def _scores(request: SelectionRequest) -> bool:
    """Whether a request asks the classifier about real samples for more than to explain the picks."""
    match request.strategy:
        case DowserStrategy(max_scored=max_scored):
            return max_scored > 0
        case RandomStrategy():
            return request.classifier_id is not None
    return True
