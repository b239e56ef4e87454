"""What a selection starts from, whoever scores: a campaign that allows it, a seed, the labels, and the round."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from query_server.acquisition import acquisition_function
from query_server.campaigns.values import CampaignInfo, Snapshot
from query_server.errors import (
    acquisition_unsupported,
    budget_exceeds_pool,
    index_version_too_old,
    invalid_argument,
    pool_not_found,
)
from query_server.open_rows import OpenRows
from query_server.selection.board import SOURCES
from query_server.selection.conditions import compiled
from query_server.selection.evidence import LabeledSet, settle
from query_server.selection.memory import Memory
from query_server.selection.policy import Allocation, adaptive, fixed
from query_server.selection.ports import Checkpoint, Classifiers, Float32, Neighborhood, Pool
from query_server.selection.round import Round, draw
from query_server.selection.sources import PROPOSAL_SOURCES
from query_server.selection.unscored import NoClassifier, UnscoredRound
from query_server.selection.values import DowserStrategy, SelectionRequest, SynthesisOptions
from query_server.timing import StageClock

MAX_BUDGET = 100_000
# Without a classifier the labels tell how many classes there are; a wild one must not make room for billions.
MAX_CLASSES = 65_536


def check_campaign(budget: int, campaign: CampaignInfo, pool: str) -> None:
    """Refuse a campaign of another pool, and a budget that its unlabeled samples do not allow.

    Raises:
        DowserError: POOL_NOT_FOUND, INVALID_ARGUMENT or BUDGET_EXCEEDS_POOL.
    """
    if campaign.pool != pool:
        raise pool_not_found(campaign.pool)
    if not 1 <= budget <= MAX_BUDGET:
        raise invalid_argument("budget", budget, f"1 to {MAX_BUDGET}")
    if budget > campaign.unlabeled:
        raise budget_exceeds_pool(budget, campaign.unlabeled)


def check_index_version(demanded: int, index_version: int) -> None:
    """Refuse to answer from an older index than demanded.

    Raises:
        DowserError: INDEX_VERSION_TOO_OLD.
    """
    if demanded > index_version:
        raise index_version_too_old(index_version, demanded)


def check_shares(strategy: DowserStrategy) -> None:
    """Refuse shares of what is no source.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    for source in strategy.shares or ():
        if source not in PROPOSAL_SOURCES:
            raise invalid_argument("shares", source, f"one of {', '.join(PROPOSAL_SOURCES)}")


def seed_of(given: int | None, campaign: CampaignInfo) -> int:
    """Return the seed given, or else that of the campaign's next round."""
    if given is not None:
        return given
    entropy = np.random.SeedSequence([campaign.seed, campaign.rounds])
    return int(entropy.generate_state(1, np.uint64)[0])


def labeled_set(snapshot: Snapshot, classes: int) -> LabeledSet:
    """Return a snapshot's labels, for a classifier of so many logits."""
    return LabeledSet(
        rows=snapshot.labeled_rows,
        pool_ids=snapshot.labeled_ids,
        labels=snapshot.labels,
        classes=max(2, classes),
    )


def allocate(strategy: DowserStrategy, round_: Round, round_number: int) -> Allocation:
    """Share as the request says, or where it does not, by the campaign's evidence; rounds are counted from 1."""
    if strategy.shares is not None:
        return fixed(strategy.shares)
    return adaptive(
        round_.memory, round_.labeled, random_floor=strategy.random_floor, round_number=round_number
    )


def open_round(
    request: SelectionRequest,
    snapshot: Snapshot,
    *,
    pool: Pool,
    classifiers: Classifiers,
    seed: int,
    clock: StageClock,
    checkpoint: Checkpoint,
    embedding: bool = False,
    task: Neighborhood | None = None,
    scoring: bool = True,
) -> Round:
    """Compile the request's classifier, where it names one, and open a round.

    Args:
        request: The round's question.
        snapshot: Its campaign.
        pool: The real samples, in the state that the whole round sees.
        classifiers: The uploaded ones.
        seed: Of the round's randomness.
        clock: Times the stages.
        checkpoint: Raises once the caller no longer waits.
        embedding: Whether the batch rule wants embeddings.
        task: Task-aware features, where the campaign has them.
        scoring: Whether the server scores; otherwise what is proposed is noted as it is.

    Raises:
        DowserError: CLASSIFIER_NOT_FOUND or ACQUISITION_UNSUPPORTED.
    """
    function = acquisition_function(request.acquisition)
    if request.classifier_id is None:
        labeled = labeled_set(snapshot, min(int(snapshot.labels.max(initial=0)) + 1, MAX_CLASSES))
    else:
        labeled = labeled_set(snapshot, classifiers.info(request.classifier_id).classes)
    classifier = (
        NoClassifier()
        if request.classifier_id is None
        else compiled(
            classifiers,
            request.classifier_id,
            function,
            class_prior_weight=request.class_prior_weight,
            label_counts=labeled.counts(),
            targets=targets_of(pool, request.acquisition, seed, snapshot.available),
        )
    )
    strategy = request.strategy
    return (Round if scoring else UnscoredRound)(
        pool=pool,
        classifier=classifier,
        open=snapshot.available,
        labeled=labeled,
        memory=settle(Memory.from_bytes(snapshot.memory), labeled),
        budget=request.budget,
        synthesis=strategy.synthesis if isinstance(strategy, DowserStrategy) else SynthesisOptions(),
        seed=seed,
        clock=clock,
        checkpoint=checkpoint,
        embedding=embedding,
        task=task,
        score_bound=math.inf if request.class_prior_weight else function.bound(labeled.classes),
    )


def targets_of(pool: Pool, acquisition: str, seed: int, open_: OpenRows) -> Callable[[int], Float32]:
    """Return what draws model inputs of so many open samples, for functions that ask about the pool at large."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, len(SOURCES), 0]))

    def targets(count: int) -> Float32:
        if not pool.has_samples:
            raise acquisition_unsupported(
                acquisition,
                "it asks the classifier about samples of the pool, and they are not on this server; "
                "use another function",
            )
        return pool.inputs(draw(open_, count, rng))

    return targets
