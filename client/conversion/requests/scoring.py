"""Calls of ScoringService."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from client.conversion import fields, tensors
from client.conversion.call import Call, unary
from client.conversion.replies import scoring as replies
from client.conversion.requests.chunks import CHUNK_BYTES, SAMPLES_PER_CALL
from client.errors import invalid_argument
from client.types.acquisition import Acquisition
from client.types.classifiers import ClassifierInfo
from client.types.pools import PoolIds
from client.types.scoring import SampleScores, ScoreJob
from dowser.v1 import scoring_pb2


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
