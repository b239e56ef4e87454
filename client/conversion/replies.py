"""Answers of the server, read into the client's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from client.conversion import tensors
from client.types.acquisition import Acquisition, CandidateSource
from client.types.admin import Compacted, Reloaded, SnapshotInfo
from client.types.augmentation import Companions
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.classifiers import ClassifierInfo
from client.types.diagnosis import CaptureEstimate, Diagnosis, SourceReport
from client.types.labels import (
    Label,
    LabelChange,
    LabelEvent,
    LabelEventPage,
    LabelPage,
    LabelsCorrected,
    LabelsRecorded,
    LabelsRetracted,
)
from client.types.leases import LeasesExtended, LeaseTerm
from client.types.pools import Neighbors, Pool, SamplesAdded, SamplesRemoved
from client.types.proposals import Candidate, Proposal
from client.types.scoring import SampleScores, ScoreJob, ScoreJobState, ScoreShard
from client.types.selection import Pick, Selection, Synthesis
from client.types.timings import StageTiming
from dowser.v1 import (
    acquisition_pb2,
    admin_pb2,
    augmentation_pb2,
    campaigns_pb2,
    classifiers_pb2,
    pools_pb2,
    scoring_pb2,
    selection_pb2,
)

T = TypeVar("T")

_SOURCE_PREFIX = "CANDIDATE_SOURCE_"


def pools(reply: pools_pb2.ListPoolsResponse) -> tuple[Pool, ...]:
    """Read the pools of a server."""
    return tuple(_pool(each) for each in reply.pools)


def pool(reply: pools_pb2.GetPoolResponse) -> Pool:
    """Read one pool."""
    return _pool(reply.pool)


def samples(reply: pools_pb2.GetSamplesResponse) -> NDArray[Any]:
    """Read raw samples, [n, *raw_shape]."""
    return tensors.decode(reply.samples)


def added(reply: pools_pb2.AddSamplesResponse) -> SamplesAdded:
    """Read what was added."""
    return SamplesAdded(
        pool_ids=_array(reply.pool_ids, np.uint64), index_version=reply.index_version, size=reply.size
    )


def removed(reply: pools_pb2.RemoveSamplesResponse) -> SamplesRemoved:
    """Read what was removed."""
    return SamplesRemoved(removed=reply.removed, index_version=reply.index_version, size=reply.size)


def neighbors(reply: pools_pb2.SearchNeighborsResponse) -> Neighbors:
    """Read the neighbors of each query."""
    return Neighbors(
        pool_ids=tuple(_array(each.pool_ids, np.uint64) for each in reply.results),
        distances=tuple(_array(each.distances, np.float32) for each in reply.results),
        index_version=reply.index_version,
    )


def reloaded(reply: admin_pb2.ReloadResponse) -> Reloaded:
    """Read what is served after a reload."""
    return Reloaded(
        pool=reply.pool,
        size=reply.size,
        bundle_digest=reply.bundle_digest,
        index_digest=reply.index_digest,
        index_version=reply.index_version,
        previous_index_version=reply.previous_index_version,
        seconds=reply.seconds,
    )


def compacted(reply: admin_pb2.CompactPoolResponse) -> Compacted:
    """Read what a compaction did."""
    return Compacted(
        pool=reply.pool,
        size=reply.size,
        index_version=reply.index_version,
        compacted_index_version=reply.compacted_index_version,
        added=reply.added,
        removed=reply.removed,
        seconds=reply.seconds,
    )


def snapshot(reply: admin_pb2.SnapshotResponse) -> SnapshotInfo:
    """Read what a snapshot holds."""
    return SnapshotInfo(
        name=reply.name, files=reply.files, size_bytes=reply.size_bytes, index_version=reply.index_version
    )


def created_campaign(reply: campaigns_pb2.CreateCampaignResponse) -> Campaign:
    """Read the campaign that was made."""
    return _campaign(reply.campaign)


def campaign(reply: campaigns_pb2.GetCampaignResponse) -> Campaign:
    """Read one campaign."""
    return _campaign(reply.campaign)


def campaigns(reply: campaigns_pb2.ListCampaignsResponse) -> tuple[Campaign, ...]:
    """Read campaigns, in order of creation."""
    return tuple(_campaign(each) for each in reply.campaigns)


def nothing(reply: Message) -> None:
    """Read an answer that says no more than that it arrived."""
    del reply


def label_page(reply: campaigns_pb2.ListLabelsResponse) -> LabelPage:
    """Read one page of labels."""
    labels = tuple(
        Label(
            pool_id=each.pool_id,
            label=each.label,
            annotator=each.annotator,
            record_time=_time(each.record_time),
        )
        for each in reply.labels
    )
    return LabelPage(labels=labels, next_page_token=reply.next_page_token)


def uploaded_classifier(reply: classifiers_pb2.UploadClassifierResponse) -> ClassifierInfo:
    """Read what the server found in an upload."""
    return _classifier(reply.classifier)


def classifier(reply: classifiers_pb2.GetClassifierResponse) -> ClassifierInfo:
    """Read one classifier."""
    return _classifier(reply.classifier)


def selection(reply: selection_pb2.SelectSamplesResponse) -> Selection:
    """Read a selection with its explanations."""
    synthetic = reply.HasField("synthetic_samples")
    return Selection(
        picks=tuple(_pick(each) for each in reply.picks),
        round=reply.round,
        timings=_timings(reply.timings),
        total_seconds=reply.total_seconds,
        scored=reply.scored,
        visited=reply.visited,
        index_version=reply.index_version,
        seed=reply.seed,
        match_gap=_optional(reply, "match_gap", float),
        synthetic_samples=tensors.decode(reply.synthetic_samples) if synthetic else None,
        synthetic_scores=_array(reply.synthetic_scores, np.float32) if synthetic else None,
        diagnosis=_diagnosis(reply.diagnosis),
    )


def committed_selection(reply: selection_pb2.CommitSelectionResponse) -> Selection:
    """Read the selection that a commit made."""
    return selection(reply.selection)


def proposal(reply: selection_pb2.ProposeSamplesResponse, *, proposal_id: str) -> Proposal:
    """Read candidates; the reply does not repeat the id they were asked for with."""
    return Proposal(
        proposal_id=proposal_id,
        candidates=tuple(
            Candidate(
                pool_id=each.pool_id,
                source=_source(each.source),
                synthetic_index=_optional(each, "synthetic_index", int),
                distance=_optional(each, "distance", float),
            )
            for each in reply.candidates
        ),
        shares={_source(each.source): each.share for each in reply.shares},
        reasons=tuple(reply.reasons),
        seed=reply.seed,
        index_version=reply.index_version,
        timings=_timings(reply.timings),
        total_seconds=reply.total_seconds,
        visited=reply.visited,
        unique_match_rate=_optional(reply, "unique_match_rate", float),
        synthetic_scores=_array(reply.synthetic_scores, np.float32),
    )


def labels_recorded(reply: selection_pb2.RecordLabelsResponse) -> LabelsRecorded:
    """Read how many labels were new."""
    return LabelsRecorded(recorded=reply.recorded, labeled=reply.labeled)


def leases(reply: campaigns_pb2.ListLeasesResponse) -> NDArray[np.uint64]:
    """Read the leased ids, uint64 [n], ascending."""
    return np.fromiter(reply.pool_ids, np.uint64, len(reply.pool_ids))


def lease_terms(reply: campaigns_pb2.ListLeasesResponse) -> tuple[LeaseTerm, ...]:
    """Read what is known of each lease, by ascending id."""
    return tuple(
        LeaseTerm(
            pool_id=each.pool_id,
            round=each.round,
            lease_time=_time(each.lease_time),
            expire_time=_time(each.expire_time) if each.HasField("expire_time") else None,
        )
        for each in reply.terms
    )


def leases_extended(reply: campaigns_pb2.ExtendLeasesResponse) -> LeasesExtended:
    """Read how many leases have more time, and which were none."""
    return LeasesExtended(extended=reply.extended, not_leased=_array(reply.not_leased, np.uint64))


def labels_corrected(reply: campaigns_pb2.CorrectLabelsResponse) -> LabelsCorrected:
    """Read how many labels are others now."""
    return LabelsCorrected(corrected=reply.corrected, labeled=reply.labeled)


def labels_retracted(reply: campaigns_pb2.RetractLabelsResponse) -> LabelsRetracted:
    """Read how many labels were taken back."""
    return LabelsRetracted(retracted=reply.retracted, labeled=reply.labeled)


def label_event_page(reply: campaigns_pb2.ListLabelHistoryResponse) -> LabelEventPage:
    """Read one page of a history of labels."""
    events = tuple(
        LabelEvent(
            change=LabelChange(
                campaigns_pb2.LabelChange.Name(each.change).removeprefix("LABEL_CHANGE_").lower()
            ),
            pool_id=each.pool_id,
            label=_optional(each, "label", int),
            previous=_optional(each, "previous", int),
            annotator=each.annotator,
            time=_time(each.time),
        )
        for each in reply.events
    )
    return LabelEventPage(events=events, next_page_token=reply.next_page_token)


def rounds(reply: campaigns_pb2.ListRoundsResponse) -> tuple[Round, ...]:
    """Read the selections of a campaign, in their order."""
    return tuple(Round(round=each.round, budget=each.budget, time=_time(each.time)) for each in reply.rounds)


def campaign_imported(reply: campaigns_pb2.ImportCampaignResponse) -> CampaignImported:
    """Read the campaign that an import made."""
    return CampaignImported(campaign=_campaign(reply.campaign), skipped=reply.skipped)


def released(reply: selection_pb2.ReleaseSamplesResponse) -> int:
    """Read how many samples went back."""
    return int(reply.released)


def synthesis(reply: selection_pb2.SynthesizeSamplesResponse) -> Synthesis:
    """Read synthetic samples and their scores."""
    return Synthesis(
        samples=tensors.decode(reply.samples),
        scores=_array(reply.scores, np.float32),
        initial_scores=_array(reply.initial_scores, np.float32),
        timings=_timings(reply.timings),
    )


def companions(reply: augmentation_pb2.AugmentSamplesResponse) -> Companions:
    """Read companions of labeled samples."""
    scored = len(reply.scores) == len(reply.pool_ids) and bool(reply.scores)
    return Companions(
        samples=tensors.decode(reply.samples),
        pool_ids=_array(reply.pool_ids, np.uint64),
        labels=_array(reply.labels, np.int64),
        scores=_array(reply.scores, np.float32) if scored else None,
        companion_scores=_array(reply.companion_scores, np.float32) if scored else None,
        distances=_array(reply.distances, np.float32),
        threshold=_optional(reply, "threshold_score", float),
        examined=reply.examined,
        uncertain=reply.uncertain,
        unknown_class=reply.unknown_class,
        timings=_timings(reply.timings),
    )


def _pool(message: pools_pb2.Pool) -> Pool:
    return Pool(
        name=message.name,
        size=message.size,
        raw_shape=tuple(message.raw_shape),
        raw_dtype=tensors.numpy_dtype(message.raw_dtype),
        input_shape=tuple(message.input_shape),
        input_min=message.input_min,
        input_max=message.input_max,
        scale=message.scale,
        offset=message.offset,
        feature_dim=message.feature_dim,
        latent_dim=message.latent_dim,
        index_factory=message.index_factory,
        recall_at_10=message.recall_at_10,
        index_version=message.index_version,
        bundle_digest=message.bundle_digest,
        added=message.added,
        removed=message.removed,
        has_samples=message.has_samples if message.HasField("has_samples") else True,
    )


def _campaign(message: campaigns_pb2.Campaign) -> Campaign:
    return Campaign(
        campaign_id=message.campaign_id,
        name=message.name,
        pool=message.pool,
        create_time=_time(message.create_time),
        labeled=message.labeled,
        leased=message.leased,
        unlabeled=message.unlabeled,
        rounds=message.rounds,
        seed=message.seed,
    )


def _classifier(message: classifiers_pb2.Classifier) -> ClassifierInfo:
    return ClassifierInfo(
        classifier_id=message.classifier_id,
        size_bytes=message.size_bytes,
        input_shape=tuple(message.input_shape),
        classes=message.classes,
        passes=message.passes,
        has_pullback=message.has_pullback,
        embedding_dim=message.embedding_dim,
        has_score=message.has_score,
    )


def _pick(message: selection_pb2.Pick) -> Pick:
    return Pick(
        pool_id=message.pool_id,
        score=_optional(message, "score", float),
        source=_source(message.source),
        synthetic_index=_optional(message, "synthetic_index", int),
        synthetic_score=_optional(message, "synthetic_score", float),
        distance=_optional(message, "distance", float),
        predicted_class=_optional(message, "predicted_class", int),
    )


def _source(number: int) -> CandidateSource:
    """Read a candidate's source; one that a newer server added is UNKNOWN, never an error."""
    value = acquisition_pb2.CandidateSource.DESCRIPTOR.values_by_number.get(number)
    return CandidateSource(
        value.name.removeprefix(_SOURCE_PREFIX).lower() if value is not None else "unknown"
    )


def _diagnosis(message: selection_pb2.Diagnosis) -> Diagnosis:
    return Diagnosis(
        sources=tuple(_source_report(each) for each in message.sources),
        unique_match_rate=_optional(message, "unique_match_rate", float),
        redundancy=_optional(message, "redundancy", float),
        capture=_optional(message, "capture", _capture),
        reasons=tuple(message.reasons),
        warnings=tuple(message.warnings),
    )


def _source_report(message: selection_pb2.SourceReport) -> SourceReport:
    return SourceReport(
        source=_source(message.source),
        share=message.share,
        scored=message.scored,
        mean_score=_optional(message, "mean_score", float),
        picked=message.picked,
        labeled=message.labeled,
        contradicted=message.contradicted,
        rarity=_optional(message, "rarity", float),
        yield_=_optional(message, "yield", float),
    )


def _capture(message: selection_pb2.CaptureEstimate) -> CaptureEstimate:
    return CaptureEstimate(
        value=message.value,
        low=message.low,
        high=message.high,
        confidence=message.confidence,
        draws=message.draws,
    )


def _timings(messages: Any) -> tuple[StageTiming, ...]:
    return tuple(
        StageTiming(stage=each.stage, seconds=each.seconds, engine_seconds=each.engine_seconds)
        for each in messages
    )


def _optional(message: Message, field: str, kind: Callable[[Any], T]) -> T | None:
    """Read an `optional` field, or a message: None where it is unset."""
    return kind(getattr(message, field)) if message.HasField(field) else None


def _array(values: Any, dtype: type[np.generic]) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    array.flags.writeable = False
    return array


def score_job(message: scoring_pb2.ScoreJob) -> ScoreJob:
    """Read a score job."""
    return ScoreJob(
        job_id=message.job_id,
        pool=message.pool,
        classifier_id=message.classifier_id,
        acquisitions=tuple(map(_acquisition, message.acquisitions)),
        probabilities=message.probabilities,
        embedding=message.embedding,
        shard_size=message.shard_size,
        state=_job_state(message.state),
        size=message.size,
        done=message.done,
        shard_count=message.shard_count,
        shards=tuple(
            ScoreShard(number=shard.number, rows=shard.rows, size_bytes=shard.size_bytes, sha256=shard.sha256)
            for shard in message.shards
        ),
        rows_per_second=message.rows_per_second if message.HasField("rows_per_second") else None,
        eta_seconds=message.eta_seconds if message.HasField("eta_seconds") else None,
        error_reason=message.error_reason,
        error=message.error,
        create_time=_time(message.create_time),
        end_time=_time(message.end_time) if message.HasField("end_time") else None,
    )


def sample_scores(
    messages: Sequence[scoring_pb2.ScoreSamplesResponse], *, acquisitions: Sequence[Acquisition | str]
) -> SampleScores:
    """Read the scores of all chunks."""

    def joined(name: str) -> NDArray[np.float32] | None:
        parts = [tensors.decode(getattr(each, name)) for each in messages if each.HasField(name)]
        return np.concatenate(parts) if parts else None

    scores = np.concatenate([tensors.decode(each.scores) for each in messages])
    return SampleScores(
        scores={Acquisition(name): scores[:, column] for column, name in enumerate(acquisitions)},
        predicted=np.array([label for each in messages for label in each.predicted], np.int64),
        probabilities=joined("probabilities"),
        embedding=joined("embedding"),
    )


def _acquisition(number: int) -> Acquisition:
    name = acquisition_pb2.AcquisitionFunction.Name(acquisition_pb2.AcquisitionFunction.ValueType(number))
    return Acquisition(name.removeprefix("ACQUISITION_FUNCTION_").lower())


def _job_state(number: int) -> ScoreJobState:
    known = scoring_pb2.ScoreJobState.DESCRIPTOR.values_by_number.get(number)
    name = "" if known is None else known.name.removeprefix("SCORE_JOB_STATE_").lower()
    return ScoreJobState(name) if name in list(ScoreJobState) else ScoreJobState.UNKNOWN


def _time(timestamp: Timestamp) -> datetime:
    return timestamp.ToDatetime(tzinfo=UTC)
