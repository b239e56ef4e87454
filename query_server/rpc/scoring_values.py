"""Between the messages of ScoringService and the values of batch scoring."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dowser.v1 import acquisition_pb2, scoring_pb2
from query_server.batch import JobState, ScoreJob, ScoreSpec
from query_server.batch.scoring import Columns
from query_server.batch.values import DEFAULT_SHARD_SIZE
from query_server.rpc import convert, selection_values

_STATES = {state: f"SCORE_JOB_STATE_{state.name}" for state in JobState}


def spec_of_job(message: scoring_pb2.StartScorePoolRequest) -> ScoreSpec:
    """Read what a job is to score by.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    return ScoreSpec(
        classifier_id=message.classifier_id,
        acquisitions=_acquisitions(message.acquisitions),
        probabilities=message.probabilities,
        embedding=message.embedding,
        shard_size=message.shard_size or DEFAULT_SHARD_SIZE,
    )


def spec_of_samples(message: scoring_pb2.ScoreSamplesHeader) -> ScoreSpec:
    """Read what samples are to be scored by.

    Raises:
        DowserError: INVALID_ARGUMENT.
    """
    return ScoreSpec(
        classifier_id=message.classifier_id,
        acquisitions=_acquisitions(message.acquisitions),
        probabilities=message.probabilities,
        embedding=message.embedding,
    )


def scores(columns: Columns, spec: ScoreSpec) -> scoring_pb2.ScoreSamplesResponse:
    """Write the scores of one chunk."""
    stacked = np.stack([columns[name] for name in spec.acquisitions], axis=1)
    wide = {name: convert.tensor(columns[name]) for name in ("probabilities", "embedding") if name in columns}
    return scoring_pb2.ScoreSamplesResponse(
        scores=convert.tensor(stacked), predicted=columns["predicted_class"].tolist(), **wide
    )


def job(value: ScoreJob, *, shards: bool = True) -> scoring_pb2.ScoreJob:
    """Write a job."""
    return scoring_pb2.ScoreJob(
        job_id=value.job_id,
        pool=value.pool,
        classifier_id=value.spec.classifier_id,
        acquisitions=[f"ACQUISITION_FUNCTION_{name.upper()}" for name in value.spec.acquisitions],
        probabilities=value.spec.probabilities,
        embedding=value.spec.embedding,
        shard_size=value.spec.shard_size,
        state=_STATES[value.state],
        size=value.size,
        done=value.done,
        shard_count=value.shard_count,
        shards=[
            scoring_pb2.ScoreShard(
                number=shard.number, rows=shard.rows, size_bytes=shard.size_bytes, sha256=shard.sha256
            )
            for shard in (value.shards if shards else ())
        ],
        rows_per_second=value.rows_per_second,
        eta_seconds=value.eta_seconds,
        error_reason=value.error_reason,
        error=value.error,
        create_time=convert.timestamp(value.create_time),
        end_time=None if value.end_time is None else convert.timestamp(value.end_time),
    )


def _acquisitions(numbers: Sequence[acquisition_pb2.AcquisitionFunction]) -> tuple[str, ...]:
    return tuple(selection_values.acquisition(number, default="margin") for number in numbers) or ("margin",)
