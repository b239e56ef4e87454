"""Candidates for the caller to score, and selecting by its scores."""

from __future__ import annotations

from functools import partial

import numpy as np

from client.conversion import fields, strategies, tensors
from client.conversion.call import Call, unary
from client.conversion.replies import proposals as replies
from client.errors import invalid_argument
from client.scores import Scores
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.pools import PoolIds
from client.types.proposals import Proposal
from client.types.selection import Selection
from client.types.strategies import Batch, Dowser
from dowser.v1 import selection_pb2


def propose_samples(
    campaign: Campaign | str,
    *,
    budget: int,
    classifier: ClassifierInfo | str | None,
    acquisition: Acquisition | str,
    strategy: Dowser,
    class_prior_weight: float,
    seed: int | None,
    min_index_version: int,
    request_id: str | None,
) -> Call[Proposal]:
    """SelectionService.ProposeSamples."""
    if not isinstance(strategy, Dowser):
        raise invalid_argument(f"candidates are proposed by Dowser alone, got {strategy!r}", field="strategy")
    proposal_id = fields.request_id(request_id)
    request = fields.build(
        selection_pb2.ProposeSamplesRequest,
        request_id=proposal_id,
        campaign_id=fields.campaign_id(campaign),
        classifier_id=fields.classifier_id(classifier) if classifier is not None else "",
        budget=budget,
        acquisition=fields.acquisition(acquisition),
        strategy=strategies.strategy(strategy)["dowser"],
        class_prior_weight=class_prior_weight,
        seed=seed,
        min_index_version=min_index_version,
    )
    return unary(
        "SelectionService/ProposeSamples",
        request,
        selection_pb2.ProposeSamplesResponse,
        partial(replies.proposal, proposal_id=proposal_id),
    )


def commit_selection(
    campaign: Campaign | str,
    proposal: Proposal | str,
    scores: Scores,
    *,
    budget: int,
    pool_ids: PoolIds | None,
    acquisition: Acquisition | str | None,
    batch: Batch | None,
    class_prior_weight: float,
    request_id: str | None,
) -> Call[Selection]:
    """SelectionService.CommitSelection."""
    if pool_ids is None:
        if not isinstance(proposal, Proposal):
            raise invalid_argument("pool_ids are needed where the proposal is an id", field="pool_ids")
        pool_ids = proposal.pool_ids
    embedding = scores.embedding
    request = fields.build(
        selection_pb2.CommitSelectionRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        proposal_id=proposal.proposal_id if isinstance(proposal, Proposal) else proposal,
        budget=budget,
        pool_ids=fields.ids(pool_ids),
        scores=np.asarray(scores.scores, np.float32),
        probabilities=tensors.encode(np.asarray(scores.probabilities, np.float32)),
        embedding=None if embedding is None else tensors.encode(np.asarray(embedding, np.float32)),
        batch=strategies.batch(batch) if batch is not None else None,
        acquisition=fields.acquisition(acquisition) if acquisition is not None else None,
        class_prior_weight=class_prior_weight,
    )
    return unary(
        "SelectionService/CommitSelection",
        request,
        selection_pb2.CommitSelectionResponse,
        replies.committed_selection,
    )
