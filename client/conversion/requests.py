"""One `Call` for each RPC: its path, its request, and how its answer is read.

Both clients, sync and asyncio, send these; they differ only in how.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from client.conversion import fields, replies, tensors
from client.conversion.call import Call, unary
from client.errors import invalid_argument
from client.scores import Scores
from client.types.acquisition import Acquisition
from client.types.admin import Compacted, Reloaded, SnapshotInfo
from client.types.augmentation import Companions
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.classifiers import ClassifierInfo, ModelSource
from client.types.labels import (
    LabelEvent,
    LabelEventPage,
    LabelPage,
    LabelsCorrected,
    LabelsRecorded,
    LabelsRetracted,
)
from client.types.leases import LeasesExtended, LeaseTerm
from client.types.pools import Neighbors, Pool, PoolIds, SamplesAdded, SamplesRemoved
from client.types.proposals import Proposal
from client.types.scoring import SampleScores, ScoreJob
from client.types.selection import Selection, Synthesis
from client.types.strategies import Batch, Dowser, Strategy
from dowser.v1 import (
    admin_pb2,
    augmentation_pb2,
    campaigns_pb2,
    classifiers_pb2,
    pools_pb2,
    scoring_pb2,
    selection_pb2,
)

ENTRIES_PER_CHUNK = 5_000
CHUNK_BYTES = 1 << 20  # the server takes at most 2 MiB a chunk
SAMPLES_PER_CALL = (
    1024  # the server takes 4096 ids; 1024 float32 images of 3x64x64 are 48 MiB, below the limit
)


def list_pools() -> Call[tuple[Pool, ...]]:
    """PoolService.ListPools."""
    request = pools_pb2.ListPoolsRequest()
    return unary("PoolService/ListPools", request, pools_pb2.ListPoolsResponse, replies.pools)


def get_pool(name: str) -> Call[Pool]:
    """PoolService.GetPool."""
    request = fields.build(pools_pb2.GetPoolRequest, pool=name)
    return unary("PoolService/GetPool", request, pools_pb2.GetPoolResponse, replies.pool)


def get_samples(pool_ids: PoolIds, *, pool: str) -> list[Call[NDArray[Any]]]:
    """PoolService.GetSamples, as many calls as the ids need."""
    all_ids = fields.ids(pool_ids)
    pages = [
        all_ids[start : start + SAMPLES_PER_CALL]
        for start in range(0, max(len(all_ids), 1), SAMPLES_PER_CALL)
    ]
    return [
        unary(
            "PoolService/GetSamples",
            fields.build(pools_pb2.GetSamplesRequest, pool=pool, pool_ids=page),
            pools_pb2.GetSamplesResponse,
            replies.samples,
        )
        for page in pages
    ]


def search_neighbors(
    *,
    samples: NDArray[Any] | None,
    features: NDArray[Any] | None,
    pool_ids: PoolIds | None,
    k: int,
    campaign: Campaign | str | None,
    pool: str,
    min_index_version: int,
) -> Call[Neighbors]:
    """PoolService.SearchNeighbors; exactly one of samples, features and pool_ids is the query."""
    if sum(query is not None for query in (samples, features, pool_ids)) != 1:
        raise invalid_argument("give exactly one of samples, features and pool_ids", field="query")
    request = fields.build(
        pools_pb2.SearchNeighborsRequest,
        pool=pool,
        samples=tensors.encode(samples) if samples is not None else None,
        features=tensors.encode(np.asarray(features, dtype=np.float32)) if features is not None else None,
        pool_ids=pools_pb2.PoolIds(ids=fields.ids(pool_ids)) if pool_ids is not None else None,
        k=k,
        campaign_id=fields.campaign_id(campaign) if campaign is not None else "",
        min_index_version=min_index_version,
    )
    return unary("PoolService/SearchNeighbors", request, pools_pb2.SearchNeighborsResponse, replies.neighbors)


def add_samples(
    samples: NDArray[Any] | None,
    *,
    features: NDArray[Any] | None,
    pool_ids: PoolIds | None,
    pool: str,
    request_id: str | None,
) -> Call[SamplesAdded]:
    """PoolService.AddSamples: a header, then the values in chunks; exactly one of samples and features."""
    if (samples is None) == (features is None):
        raise invalid_argument("give samples or features, not both", field="samples")
    values = np.asarray(features, np.float32) if samples is None else np.asarray(samples)
    if values.ndim < 2:
        raise invalid_argument(f"give a batch [n, ...], not shape {values.shape}", field="samples")
    ids = None if pool_ids is None else np.array(fields.ids(pool_ids), np.uint64)
    if ids is not None and len(ids) != len(values):
        raise invalid_argument(f"{len(ids)} pool_ids for {len(values)} samples", field="pool_ids")
    kind = pools_pb2.SAMPLE_KIND_FEATURES if samples is None else pools_pb2.SAMPLE_KIND_RAW
    header = fields.build(
        pools_pb2.AddSamplesHeader,
        request_id=fields.request_id(request_id),
        pool=pool,
        count=len(values),
        kind=kind,
    )
    rows = max(1, CHUNK_BYTES // max(1, values[:1].nbytes))

    def parts() -> Iterator[Message]:
        yield pools_pb2.AddSamplesRequest(header=header)
        for start in range(0, len(values), rows):
            part = slice(start, start + rows)
            chunk = pools_pb2.AddSamplesChunk(
                values=tensors.encode(values[part]), pool_ids=None if ids is None else ids[part]
            )
            yield pools_pb2.AddSamplesRequest(chunk=chunk)

    return Call(
        path="/dowser.v1.PoolService/AddSamples",
        parts=parts,
        reply_type=pools_pb2.AddSamplesResponse,
        decode=replies.added,
    )


def remove_samples(pool_ids: PoolIds, *, pool: str, request_id: str | None) -> Call[SamplesRemoved]:
    """PoolService.RemoveSamples."""
    request = fields.build(
        pools_pb2.RemoveSamplesRequest,
        request_id=fields.request_id(request_id),
        pool=pool,
        pool_ids=fields.ids(pool_ids),
    )
    return unary("PoolService/RemoveSamples", request, pools_pb2.RemoveSamplesResponse, replies.removed)


def create_campaign(name: str, *, pool: str, seed: int, request_id: str | None) -> Call[Campaign]:
    """CampaignService.CreateCampaign."""
    request = fields.build(
        campaigns_pb2.CreateCampaignRequest,
        request_id=fields.request_id(request_id),
        name=name,
        pool=pool,
        seed=seed,
    )
    return unary(
        "CampaignService/CreateCampaign",
        request,
        campaigns_pb2.CreateCampaignResponse,
        replies.created_campaign,
    )


def get_campaign(campaign: Campaign | str) -> Call[Campaign]:
    """CampaignService.GetCampaign."""
    request = fields.build(campaigns_pb2.GetCampaignRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/GetCampaign", request, campaigns_pb2.GetCampaignResponse, replies.campaign)


def list_campaigns(*, pool: str) -> Call[tuple[Campaign, ...]]:
    """CampaignService.ListCampaigns."""
    request = fields.build(campaigns_pb2.ListCampaignsRequest, pool=pool)
    return unary(
        "CampaignService/ListCampaigns", request, campaigns_pb2.ListCampaignsResponse, replies.campaigns
    )


def delete_campaign(campaign: Campaign | str, *, request_id: str | None) -> Call[None]:
    """CampaignService.DeleteCampaign."""
    request = fields.build(
        campaigns_pb2.DeleteCampaignRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
    )
    return unary(
        "CampaignService/DeleteCampaign", request, campaigns_pb2.DeleteCampaignResponse, replies.nothing
    )


def list_labels(campaign: Campaign | str, *, page_size: int, page_token: str) -> Call[LabelPage]:
    """CampaignService.ListLabels, one page."""
    request = fields.build(
        campaigns_pb2.ListLabelsRequest,
        campaign_id=fields.campaign_id(campaign),
        page_size=page_size,
        page_token=page_token,
    )
    return unary("CampaignService/ListLabels", request, campaigns_pb2.ListLabelsResponse, replies.label_page)


def list_leases(campaign: Campaign | str) -> Call[NDArray[np.uint64]]:
    """CampaignService.ListLeases."""
    request = fields.build(campaigns_pb2.ListLeasesRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/ListLeases", request, campaigns_pb2.ListLeasesResponse, replies.leases)


def list_lease_terms(campaign: Campaign | str) -> Call[tuple[LeaseTerm, ...]]:
    """CampaignService.ListLeases, with what is known of each lease."""
    request = fields.build(campaigns_pb2.ListLeasesRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/ListLeases", request, campaigns_pb2.ListLeasesResponse, replies.lease_terms)


def extend_leases(
    campaign: Campaign | str, pool_ids: PoolIds, *, seconds: float, round: int, request_id: str | None
) -> Call[LeasesExtended]:
    """CampaignService.ExtendLeases."""
    request = fields.build(
        campaigns_pb2.ExtendLeasesRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        pool_ids=fields.ids(pool_ids),
        seconds=seconds,
        round=round,
    )
    return unary(
        "CampaignService/ExtendLeases", request, campaigns_pb2.ExtendLeasesResponse, replies.leases_extended
    )


def correct_labels(
    campaign: Campaign | str,
    labels: Mapping[int, int] | Iterable[tuple[int, int]],
    *,
    annotator: str,
    request_id: str | None,
) -> Call[LabelsCorrected]:
    """CampaignService.CorrectLabels."""
    request = fields.build(
        campaigns_pb2.CorrectLabelsRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        labels=_label_messages(labels, annotator),
    )
    return unary(
        "CampaignService/CorrectLabels",
        request,
        campaigns_pb2.CorrectLabelsResponse,
        replies.labels_corrected,
    )


def retract_labels(
    campaign: Campaign | str, pool_ids: PoolIds, *, annotator: str, request_id: str | None
) -> Call[LabelsRetracted]:
    """CampaignService.RetractLabels."""
    request = fields.build(
        campaigns_pb2.RetractLabelsRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        pool_ids=fields.ids(pool_ids),
        annotator=annotator,
    )
    return unary(
        "CampaignService/RetractLabels",
        request,
        campaigns_pb2.RetractLabelsResponse,
        replies.labels_retracted,
    )


def list_label_history(campaign: Campaign | str, *, page_size: int, page_token: str) -> Call[LabelEventPage]:
    """CampaignService.ListLabelHistory, one page."""
    request = fields.build(
        campaigns_pb2.ListLabelHistoryRequest,
        campaign_id=fields.campaign_id(campaign),
        page_size=page_size,
        page_token=page_token,
    )
    return unary(
        "CampaignService/ListLabelHistory",
        request,
        campaigns_pb2.ListLabelHistoryResponse,
        replies.label_event_page,
    )


def list_rounds(campaign: Campaign | str) -> Call[tuple[Round, ...]]:
    """CampaignService.ListRounds."""
    request = fields.build(campaigns_pb2.ListRoundsRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/ListRounds", request, campaigns_pb2.ListRoundsResponse, replies.rounds)


def import_campaign(
    name: str,
    *,
    pool: str,
    seed: int,
    events: Iterable[LabelEvent],
    leases: Iterable[LeaseTerm],
    rounds: Iterable[Round],
    skip_unknown: bool,
    request_id: str | None,
) -> Call[CampaignImported]:
    """CampaignService.ImportCampaign: a header, then the content in chunks."""
    header = fields.build(
        campaigns_pb2.ImportCampaignHeader,
        request_id=fields.request_id(request_id),
        name=name,
        pool=pool,
        seed=seed,
        skip_unknown=skip_unknown,
    )
    content = [
        *(("events", fields.label_event(each)) for each in events),
        *(("leases", fields.lease_term(each)) for each in leases),
        *(("rounds", fields.round_(each)) for each in rounds),
    ]

    def parts() -> Iterator[Message]:
        yield campaigns_pb2.ImportCampaignRequest(header=header)
        for start in range(0, len(content), ENTRIES_PER_CHUNK):
            chunk = campaigns_pb2.ImportCampaignChunk()
            for name, message in content[start : start + ENTRIES_PER_CHUNK]:
                getattr(chunk, name).append(message)
            yield campaigns_pb2.ImportCampaignRequest(chunk=chunk)

    return Call(
        path="/dowser.v1.CampaignService/ImportCampaign",
        parts=parts,
        reply_type=campaigns_pb2.ImportCampaignResponse,
        decode=replies.campaign_imported,
    )


def upload_classifier(model: ModelSource, *, pool: str) -> Call[ClassifierInfo]:
    """ClassifierService.UploadClassifier: a header, then the bytes in chunks."""
    data = fields.model_bytes(model)
    header = fields.build(
        classifiers_pb2.UploadClassifierHeader,
        pool=pool,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )

    def parts() -> Iterator[Message]:
        yield classifiers_pb2.UploadClassifierRequest(header=header)
        for start in range(0, len(data), CHUNK_BYTES):
            yield classifiers_pb2.UploadClassifierRequest(chunk=data[start : start + CHUNK_BYTES])

    return Call(
        path="/dowser.v1.ClassifierService/UploadClassifier",
        parts=parts,
        reply_type=classifiers_pb2.UploadClassifierResponse,
        decode=replies.uploaded_classifier,
    )


def get_classifier(classifier: ClassifierInfo | str) -> Call[ClassifierInfo]:
    """ClassifierService.GetClassifier."""
    request = fields.build(
        classifiers_pb2.GetClassifierRequest, classifier_id=fields.classifier_id(classifier)
    )
    return unary(
        "ClassifierService/GetClassifier",
        request,
        classifiers_pb2.GetClassifierResponse,
        replies.classifier,
    )


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
        batch=fields.batch(batch) if batch is not None else None,
        class_prior_weight=class_prior_weight,
        seed=seed,
        return_synthetic=return_synthetic,
        min_index_version=min_index_version,
        **fields.strategy(strategy),
    )
    return unary(
        "SelectionService/SelectSamples", request, selection_pb2.SelectSamplesResponse, replies.selection
    )


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
        strategy=fields.strategy(strategy)["dowser"],
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
        batch=fields.batch(batch) if batch is not None else None,
        acquisition=fields.acquisition(acquisition) if acquisition is not None else None,
        class_prior_weight=class_prior_weight,
    )
    return unary(
        "SelectionService/CommitSelection",
        request,
        selection_pb2.CommitSelectionResponse,
        replies.committed_selection,
    )


def record_labels(
    campaign: Campaign | str,
    labels: Mapping[int, int] | Iterable[tuple[int, int]],
    *,
    annotator: str,
    request_id: str | None,
) -> Call[LabelsRecorded]:
    """SelectionService.RecordLabels."""
    request = fields.build(
        selection_pb2.RecordLabelsRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        labels=_label_messages(labels, annotator),
    )
    return unary(
        "SelectionService/RecordLabels",
        request,
        selection_pb2.RecordLabelsResponse,
        replies.labels_recorded,
    )


def release_samples(campaign: Campaign | str, pool_ids: PoolIds, *, request_id: str | None) -> Call[int]:
    """SelectionService.ReleaseSamples."""
    request = fields.build(
        selection_pb2.ReleaseSamplesRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        pool_ids=fields.ids(pool_ids),
    )
    return unary(
        "SelectionService/ReleaseSamples", request, selection_pb2.ReleaseSamplesResponse, replies.released
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
        synthesis=fields.synthesis(latents, steps, step_size),
        seed=seed,
    )
    return unary(
        "SelectionService/SynthesizeSamples",
        request,
        selection_pb2.SynthesizeSamplesResponse,
        replies.synthesis,
    )


def augment_samples(
    campaign: Campaign | str,
    *,
    classifier: ClassifierInfo | str | None,
    acquisition: Acquisition | str,
    threshold: float | Selection | str | None,
    pool_ids: PoolIds | None,
    limit: int | None,
) -> Call[Companions]:
    """AugmentationService.AugmentSamples."""
    given: dict[str, Any] = {}
    if isinstance(threshold, Selection):
        scores = [pick.score for pick in threshold.picks if pick.score is not None]
        if not scores:
            raise invalid_argument("the selection's picks have no scores to compare with", field="threshold")
        given["score"] = min(scores)
    elif isinstance(threshold, str):
        given["selection_request_id"] = threshold
    elif threshold is not None:
        given["score"] = threshold
    ids = None if pool_ids is None else fields.ids(pool_ids)
    if ids is not None and not ids:
        raise invalid_argument("pool_ids is empty; None means every labeled sample", field="pool_ids")
    request = fields.build(
        augmentation_pb2.AugmentSamplesRequest,
        campaign_id=fields.campaign_id(campaign),
        classifier_id=fields.classifier_id(classifier) if classifier is not None else "",
        acquisition=fields.acquisition(acquisition),
        pool_ids=ids,
        limit=limit,
        **given,
    )
    return unary(
        "AugmentationService/AugmentSamples",
        request,
        augmentation_pb2.AugmentSamplesResponse,
        replies.companions,
    )


def start_score_pool(
    classifier: ClassifierInfo | str,
    *,
    acquisitions: Iterable[Acquisition | str],
    pool_ids: PoolIds | None,
    probabilities: bool,
    embedding: bool,
    shard_size: int | None,
    pool: str,
    request_id: str | None,
) -> Call[ScoreJob]:
    """ScoringService.StartScorePool."""
    ids = None if pool_ids is None else fields.ids(pool_ids)
    if ids is not None and not ids:
        raise invalid_argument("pool_ids is empty; None means every sample of the pool", field="pool_ids")
    request = fields.build(
        scoring_pb2.StartScorePoolRequest,
        request_id=fields.request_id(request_id),
        pool=pool,
        pool_ids=ids,
        classifier_id=fields.classifier_id(classifier),
        acquisitions=[fields.acquisition(each) for each in acquisitions],
        probabilities=probabilities,
        embedding=embedding,
        shard_size=shard_size,
    )
    return unary(
        "ScoringService/StartScorePool",
        request,
        scoring_pb2.StartScorePoolResponse,
        lambda reply: replies.score_job(reply.job),
    )


def get_score_job(job: ScoreJob | str) -> Call[ScoreJob]:
    """ScoringService.GetScoreJob."""
    return unary(
        "ScoringService/GetScoreJob",
        scoring_pb2.GetScoreJobRequest(job_id=fields.job_id(job)),
        scoring_pb2.GetScoreJobResponse,
        lambda reply: replies.score_job(reply.job),
    )


def list_score_jobs() -> Call[tuple[ScoreJob, ...]]:
    """ScoringService.ListScoreJobs."""
    return unary(
        "ScoringService/ListScoreJobs",
        scoring_pb2.ListScoreJobsRequest(),
        scoring_pb2.ListScoreJobsResponse,
        lambda reply: tuple(map(replies.score_job, reply.jobs)),
    )


def cancel_score_job(job: ScoreJob | str) -> Call[ScoreJob]:
    """ScoringService.CancelScoreJob."""
    return unary(
        "ScoringService/CancelScoreJob",
        scoring_pb2.CancelScoreJobRequest(job_id=fields.job_id(job)),
        scoring_pb2.CancelScoreJobResponse,
        lambda reply: replies.score_job(reply.job),
    )


def read_score_shard(job: ScoreJob | str, shard: int, *, offset: int) -> Call[bytes]:
    """ScoringService.ReadScoreShard; one part of a file."""
    request = fields.build(
        scoring_pb2.ReadScoreShardRequest, job_id=fields.job_id(job), shard=shard, offset=offset
    )
    return unary(
        "ScoringService/ReadScoreShard",
        request,
        scoring_pb2.ReadScoreShardResponse,
        lambda reply: bytes(reply.data),
    )


def score_samples(
    classifier: ClassifierInfo | str,
    *,
    pool_ids: PoolIds | None,
    samples: NDArray[Any] | None,
    acquisitions: Iterable[Acquisition | str],
    probabilities: bool,
    embedding: bool,
    pool: str,
) -> Call[SampleScores]:
    """ScoringService.ScoreSamples; exactly one of pool_ids and samples."""
    if (pool_ids is None) == (samples is None):
        raise invalid_argument("give exactly one of pool_ids and samples", field="samples")
    names = tuple(acquisitions)
    header = fields.build(
        scoring_pb2.ScoreSamplesHeader,
        pool=pool,
        classifier_id=fields.classifier_id(classifier),
        acquisitions=[fields.acquisition(each) for each in names],
        probabilities=probabilities,
        embedding=embedding,
    )
    ids, array, count = None, None, 0
    if pool_ids is not None:
        ids = fields.ids(pool_ids)
        count = len(ids)
    if samples is not None:
        array = np.asarray(samples)
        count = len(array) if array.ndim else 0
    if not count:
        raise invalid_argument("there is nothing to score: give ids, or samples [n, ...]", field="samples")

    def parts() -> Iterator[Message]:
        yield scoring_pb2.ScoreSamplesRequest(header=header)
        if array is not None:
            rows = max(1, min(SAMPLES_PER_CALL, CHUNK_BYTES // max(1, array[:1].nbytes)))
            for start in range(0, len(array), rows):
                chunk = scoring_pb2.ScoreSamplesChunk(values=tensors.encode(array[start : start + rows]))
                yield scoring_pb2.ScoreSamplesRequest(chunk=chunk)
            return
        assert ids is not None
        for start in range(0, len(ids), SAMPLES_PER_CALL):
            some = scoring_pb2.SampleIds(ids=ids[start : start + SAMPLES_PER_CALL])
            yield scoring_pb2.ScoreSamplesRequest(chunk=scoring_pb2.ScoreSamplesChunk(pool_ids=some))

    return Call(
        path="/dowser.v1.ScoringService/ScoreSamples",
        reply_type=scoring_pb2.ScoreSamplesResponse,
        decode=partial(replies.sample_scores, acquisitions=names),
        parts=parts,
        streams=True,
    )


def reload() -> Call[Reloaded]:
    """AdminService.Reload."""
    return unary("AdminService/Reload", admin_pb2.ReloadRequest(), admin_pb2.ReloadResponse, replies.reloaded)


def compact_pool(pool: str) -> Call[Compacted]:
    """AdminService.CompactPool."""
    request = fields.build(admin_pb2.CompactPoolRequest, pool=pool)
    return unary("AdminService/CompactPool", request, admin_pb2.CompactPoolResponse, replies.compacted)


def snapshot(name: str, *, request_id: str | None) -> Call[SnapshotInfo]:
    """AdminService.Snapshot."""
    request = fields.build(admin_pb2.SnapshotRequest, request_id=fields.request_id(request_id), name=name)
    return unary("AdminService/Snapshot", request, admin_pb2.SnapshotResponse, replies.snapshot)


def _label_messages(
    labels: Mapping[int, int] | Iterable[tuple[int, int]], annotator: str
) -> list[campaigns_pb2.Label]:
    return [
        fields.build(
            campaigns_pb2.Label,
            pool_id=fields.integer(pool_id),
            label=fields.integer(label),
            annotator=annotator,
        )
        for pool_id, label in (labels.items() if isinstance(labels, Mapping) else labels)
    ]
