"""One round: exclude what is taken, find candidates, pick, and lease the picks to the caller."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from query_server.acquisition import HeadCondition, acquisition_function
from query_server.acquisition.function import AcquisitionFunction
from query_server.campaigns.values import CampaignInfo, Lease, RankedListExhaustedError, Request
from query_server.errors import (
    budget_exceeds_pool,
    index_version_too_old,
    invalid_argument,
    overloaded,
    pool_not_found,
)
from query_server.selection import strategies
from query_server.selection.ascent import synthesize
from query_server.selection.ports import Campaigns, Checkpoint, Classifier, Pool
from query_server.selection.values import (
    MAX_LATENTS,
    Candidates,
    DowserStrategy,
    ExhaustiveStrategy,
    Pick,
    RandomStrategy,
    RandomSubsetStrategy,
    Selection,
    SelectionRequest,
    SynthesisOptions,
    SyntheticSamples,
)
from query_server.timing import StageClock, StageTiming

MAX_BUDGET = 100_000
MAX_SCORED = 1_000_000
# A ranked list is handed to the ledger with this many spares per pick: others may lease from it in the meantime.
_SPARES = 3
_ATTEMPTS = 5

#: Finds a classifier compiled with an acquisition function, by id; with what its head depends on besides, if anything.
ClassifierOf = Callable[[str, AcquisitionFunction, HeadCondition | None], Classifier]


@dataclass(frozen=True, kw_only=True)
class SelectionService:
    """Answers which samples to label next.

    Attributes:
        pool: The real samples.
        pool_name: Its name.
        campaigns: The durable ledger.
        classifier_of: Finds compiled classifiers.
    """

    pool: Pool
    pool_name: str
    campaigns: Campaigns
    classifier_of: ClassifierOf

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
        clock = StageClock()
        with clock.stage("prepare"):
            classifier = self.classifier_of(classifier_id, acquisition_function(acquisition), None)
            classifier.prepare_ascent()
        with clock.stage("synthesize"):
            made = synthesize(
                classifier,
                latents=options.latents or 1,
                options=options,
                rng=np.random.default_rng(seed),
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
        clock = StageClock()
        with clock.stage("prepare"):
            snapshot = self.campaigns.snapshot(request.campaign_id)
            _validate(request, snapshot.info, self.pool_name, self.pool.index_version)
            function = acquisition_function(request.acquisition)
            classifier = None
            if request.classifier_id is not None:
                classifier = self.classifier_of(request.classifier_id, function, None)
                if isinstance(request.strategy, DowserStrategy):
                    classifier.prepare_ascent()
        seed = request.seed
        if seed is None:
            entropy = np.random.SeedSequence([snapshot.info.seed, snapshot.info.rounds])
            seed = int(entropy.generate_state(1, np.uint64)[0])
        round_ = strategies.Round(
            pool=self.pool,
            available=snapshot.available,
            budget=request.budget,
            rng=np.random.default_rng(seed),
            clock=clock,
            checkpoint=checkpoint,
        )
        found = _run(request, round_, classifier)
        offered = found.rows[: request.budget * (1 + _SPARES)]
        with clock.stage("pick"):
            pool_ids = self.pool.ids_of(offered)

        def build(lease: Lease) -> bytes:
            checkpoint("commit")  # the last moment to change nothing
            with clock.stage("pick"):
                picks = _picks(found, lease)
            return answer(
                Selection(
                    picks=picks,
                    round=lease.round,
                    timings=clock.timings(),
                    total_seconds=clock.total_seconds(),
                    scored=found.scored,
                    visited=found.visited,
                    index_version=self.pool.index_version,
                    seed=seed,
                    match_gap=found.match_gap,
                    synthetic_samples=found.synthetic_samples,
                )
            )

        return self.campaigns.lease(request.campaign_id, pool_ids, request.budget, write, build)


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
    if (
        isinstance(strategy, DowserStrategy)
        and not strategy.synthesis.latents
        and request.budget > MAX_LATENTS
    ):
        raise invalid_argument("latents", 0, f"1 to {MAX_LATENTS} where the budget is above {MAX_LATENTS}")
    if request.classifier_id is None and not isinstance(strategy, RandomStrategy):
        raise invalid_argument(
            "classifier_id", "", "the id of an uploaded classifier; only random needs none"
        )


def _run(request: SelectionRequest, round_: strategies.Round, classifier: Classifier | None) -> Candidates:
    strategy = request.strategy
    if classifier is None:
        return strategies.random(round_, None)
    match strategy:
        case DowserStrategy():
            return strategies.dowser(round_, classifier, strategy)
        case ExhaustiveStrategy():
            return strategies.exhaustive(round_, classifier)
        case RandomSubsetStrategy():
            return strategies.random_subset(round_, classifier, strategy)
        case _:
            return strategies.random(round_, classifier)


def _picks(found: Candidates, lease: Lease) -> tuple[Pick, ...]:
    synthetic = found.synthetic_samples
    picks = []
    for position, pool_id in zip(lease.positions.tolist(), lease.pool_ids.tolist(), strict=True):
        led_by = int(found.synthetic[position])
        has_synthetic = synthetic is not None and led_by >= 0
        score = float(found.scores[position])
        predicted = int(found.predicted[position])
        picks.append(
            Pick(
                pool_id=pool_id,
                source=found.source,
                score=None if math.isnan(score) else score,
                predicted_class=None if predicted < 0 else predicted,
                synthetic_index=led_by if has_synthetic else None,
                synthetic_score=float(synthetic.scores[led_by])
                if synthetic is not None and led_by >= 0
                else None,
                distance=float(found.distances[position]) if has_synthetic else None,
            )
        )
    return tuple(picks)
