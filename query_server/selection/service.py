"""One round: exclude what is taken, find candidates, pick, and lease the picks to the caller."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from query_server.acquisition import acquisition_function
from query_server.campaigns.values import (
    Answer,
    CampaignInfo,
    Lease,
    RankedListExhaustedError,
    Request,
    Snapshot,
)
from query_server.errors import (
    budget_exceeds_pool,
    index_version_too_old,
    invalid_argument,
    overloaded,
    pool_not_found,
)
from query_server.selection import strategies
from query_server.selection.ascent import synthesize
from query_server.selection.batches.registry import batch_rule
from query_server.selection.batches.rule import BatchRule
from query_server.selection.board import SOURCES, Entries, not_scored
from query_server.selection.conditions import compiled
from query_server.selection.diagnosis import diagnose, match_gap
from query_server.selection.evidence import LabeledSet, settle
from query_server.selection.memory import Memory
from query_server.selection.outcome import choose, picks_of, remember
from query_server.selection.policy import Allocation, adaptive, fixed
from query_server.selection.ports import (
    Campaigns,
    Checkpoint,
    Classifiers,
    Float32,
    Int64,
    Mask,
    Pool,
    TaskFeatures,
)
from query_server.selection.round import Round, draw
from query_server.selection.sources import PROPOSAL_SOURCES
from query_server.selection.values import (
    MAX_LATENTS,
    BatchRuleName,
    Diagnosis,
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

MAX_BUDGET = 100_000
MAX_SCORED = 1_000_000
# A ranked list is handed to the ledger with this many spares per pick: others may lease from it in the meantime.
_SPARES = 3
_ATTEMPTS = 5


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
                ACQUISITION_UNSUPPORTED, NOT_FINITE, INDEX_VERSION_TOO_OLD, REQUEST_ID_REUSED,
                OVERLOADED, CANCELLED or DEADLINE_EXCEEDED.
        """
        with self.campaigns.exclusive(write) as stored:
            if stored is not None:
                return stored
            for _ in range(_ATTEMPTS):
                try:
                    return self._select_once(request, write, answer, checkpoint)
                except RankedListExhaustedError:
                    checkpoint("pick")  # others leased what was found; look again
            raise overloaded("selections at the same time in this campaign", 1, retry_after_seconds=0.1)

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
                targets=_targets(pool, seed, pool.alive()),
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
            _validate(request, snapshot.info, self.pool_name, pool.index_version)
            rule = batch_rule(request.batch.rule or _default_rule(request.strategy))
            seed = request.seed
            if seed is None:
                entropy = np.random.SeedSequence([snapshot.info.seed, snapshot.info.rounds])
                seed = int(entropy.generate_state(1, np.uint64)[0])
            round_ = None
            if request.classifier_id is not None:
                round_ = self._round(pool, request, snapshot, rule, seed, clock, checkpoint)
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

        def explained(positions: Int64) -> tuple[Entries, Diagnosis]:
            picked = entries.take(order[positions])
            diagnosis = Diagnosis() if round_ is None else diagnose(round_, entries, picked, allocation)
            return picked, diagnosis

        # Before the lease, which holds the ledger's lock: it rarely takes others than those.
        expected = explained(np.arange(min(request.budget, len(order))))

        def build(lease: Lease) -> Answer:
            checkpoint("commit")  # the last moment to change nothing
            picked, diagnosis = expected
            if (
                len(lease.positions) and lease.positions[-1] >= request.budget
            ):  # others leased of what was chosen
                picked, diagnosis = explained(lease.positions)
            with clock.stage("pick"):
                picks = picks_of(picked, lease.pool_ids, None if round_ is None else round_.synthetic)
                memory = None
                if round_ is not None and isinstance(request.strategy, DowserStrategy):
                    memory = remember(round_, entries, picked, lease.pool_ids).to_bytes()
            selection = Selection(
                picks=picks,
                round=lease.round,
                timings=clock.timings(),
                total_seconds=clock.total_seconds(),
                scored=0 if round_ is None else round_.board.scored,
                visited=0 if round_ is None else round_.board.visited,
                index_version=pool.index_version,
                seed=seed,
                match_gap=None if round_ is None else match_gap(round_, entries),
                synthetic_samples=None if round_ is None else round_.synthetic,
                diagnosis=diagnosis,
            )
            return Answer(reply=answer(selection), memory=memory)

        reply = self.campaigns.lease(request.campaign_id, pool_ids, request.budget, write, build)
        if round_ is not None and isinstance(request.strategy, DowserStrategy):
            self._refresh(request, round_, snapshot.info)
        return reply

    def _refresh(self, request: SelectionRequest, round_: Round, campaign: CampaignInfo) -> None:
        """Begin to make task-aware features of this round's classifier, where it is their turn."""
        if self.task_features is None or campaign.rounds % self.task_refresh_rounds:
            return
        assert request.classifier_id is not None  # there is a round
        if not self.classifiers.info(request.classifier_id).embedding_dim:
            return
        classifier = round_.classifier

        def embed(x: Float32) -> Float32:
            embedding = classifier.score(x, embedding=True).embedding
            assert embedding is not None  # it has one
            return embedding

        self.task_features.refresh(campaign.id, embed)

    def _round(
        self,
        pool: Pool,
        request: SelectionRequest,
        snapshot: Snapshot,
        rule: BatchRule,
        seed: int,
        clock: StageClock,
        checkpoint: Checkpoint,
    ) -> Round:
        assert request.classifier_id is not None  # the caller looked
        function = acquisition_function(request.acquisition)
        info = self.classifiers.info(request.classifier_id)
        if rule.needs_passes and not info.passes:
            raise invalid_argument(
                "batch.rule",
                rule.name,
                "a rule for one distribution; this one needs a classifier with stochastic passes",
            )
        labeled = LabeledSet(
            rows=snapshot.labeled_rows,
            pool_ids=snapshot.labeled_ids,
            labels=snapshot.labels,
            classes=max(2, info.classes),
        )
        classifier = compiled(
            self.classifiers,
            request.classifier_id,
            function,
            class_prior_weight=request.class_prior_weight,
            label_counts=labeled.counts(),
            targets=_targets(pool, seed, snapshot.available),
        )
        synthesis, task = SynthesisOptions(), None
        if isinstance(request.strategy, DowserStrategy):
            synthesis = request.strategy.synthesis
            if self.task_features is not None:
                task = self.task_features.current(snapshot.info.id, pool.rows)
        return Round(
            pool=pool,
            classifier=classifier,
            open=snapshot.available,
            labeled=labeled,
            memory=settle(Memory.from_bytes(snapshot.memory), labeled),
            budget=request.budget,
            synthesis=synthesis,
            seed=seed,
            clock=clock,
            checkpoint=checkpoint,
            embedding=rule.needs_embedding,
            task=task,
            score_bound=math.inf if request.class_prior_weight else function.bound(classifier.classes),
        )


def _targets(pool: Pool, seed: int, open_: Mask) -> Callable[[int], Float32]:
    """Return what draws model inputs of so many open samples, for functions that ask about the pool at large."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(SOURCES), 0]))
    return lambda count: pool.inputs(draw(open_, count, rng))


def _default_rule(strategy: Strategy) -> BatchRuleName:
    return BatchRuleName.CLASS_BALANCED if isinstance(strategy, DowserStrategy) else BatchRuleName.TOP


def _fill(strategy: Strategy, round_: Round, round_number: int) -> tuple[Allocation, bool]:
    """Fill the board; return the shares, and whether its order is that of the picks already."""
    match strategy:
        case DowserStrategy(max_scored=0):
            strategies.plain(round_)
            return Allocation(shares={Source.SYNTHESIS: 1.0}), True
        case DowserStrategy():
            allocation = (
                adaptive(
                    round_.memory,
                    round_.labeled,
                    random_floor=strategy.random_floor,
                    round_number=round_number,
                )
                if strategy.shares is None
                else fixed(strategy.shares)
            )
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


def _validate(request: SelectionRequest, campaign: CampaignInfo, pool: str, index_version: int) -> None:
    if campaign.pool != pool:
        raise pool_not_found(campaign.pool)
    if not 1 <= request.budget <= MAX_BUDGET:
        raise invalid_argument("budget", request.budget, f"1 to {MAX_BUDGET}")
    if request.budget > campaign.unlabeled:
        raise budget_exceeds_pool(request.budget, campaign.unlabeled)
    if request.min_index_version > index_version:
        raise index_version_too_old(index_version, request.min_index_version)
    strategy = request.strategy
    if isinstance(strategy, DowserStrategy | RandomSubsetStrategy):
        unscored = isinstance(strategy, DowserStrategy) and strategy.max_scored == 0
        if not unscored and not request.budget <= strategy.max_scored <= MAX_SCORED:
            limit = f"at least the budget ({request.budget}) and at most {MAX_SCORED}"
            if isinstance(strategy, DowserStrategy):
                limit = f"0, or {limit}"
            raise invalid_argument("max_scored", strategy.max_scored, limit)
    if isinstance(strategy, DowserStrategy) and strategy.shares is not None:
        for source in strategy.shares:
            if source not in PROPOSAL_SOURCES:
                raise invalid_argument("shares", source, f"one of {', '.join(PROPOSAL_SOURCES)}")
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
