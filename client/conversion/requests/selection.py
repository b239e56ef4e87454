"""Selecting, and synthesis without a selection."""

from __future__ import annotations

from client.conversion import fields, strategies
from client.conversion.call import Call, unary
from client.conversion.replies import selection as replies
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo
from client.types.selection import Selection, Synthesis
from client.types.strategies import Batch, Strategy
from dowser.v1 import selection_pb2


def select_samples(
    campaign: Campaign | str,
    *,
    classifier: ClassifierInfo | str | None,
    budget: int,
    acquisition: Acquisition | str,
    strategy: Strategy,
    batch: Batch | None,
    class_prior_weight: float,
    seed: int | None,
    return_synthetic: bool,
    min_index_version: int,
    request_id: str | None,
) -> Call[Selection]:
    """SelectionService.SelectSamples."""
    request = fields.build(
        selection_pb2.SelectSamplesRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        classifier_id=fields.classifier_id(classifier) if classifier is not None else "",
        budget=budget,
        acquisition=fields.acquisition(acquisition),
        batch=strategies.batch(batch) if batch is not None else None,
        class_prior_weight=class_prior_weight,
        seed=seed,
        return_synthetic=return_synthetic,
        min_index_version=min_index_version,
        **strategies.strategy(strategy),
    )
    return unary(
        "SelectionService/SelectSamples", request, selection_pb2.SelectSamplesResponse, replies.selection
    )


def synthesize_samples(
    classifier: ClassifierInfo | str,
    *,
    pool: str,
    acquisition: Acquisition | str,
    latents: int | None,
    steps: int | None,
    step_size: float | None,
    seed: int,
) -> Call[Synthesis]:
    """SelectionService.SynthesizeSamples."""
    request = fields.build(
        selection_pb2.SynthesizeSamplesRequest,
        pool=pool,
        classifier_id=fields.classifier_id(classifier),
        acquisition=fields.acquisition(acquisition),
        synthesis=strategies.synthesis(latents, steps, step_size),
        seed=seed,
    )
    return unary(
        "SelectionService/SynthesizeSamples",
        request,
        selection_pb2.SynthesizeSamplesResponse,
        replies.synthesis,
    )
