"""Answers of ScoringService."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from client.conversion import tensors
from client.conversion.replies import values
from client.types.acquisition import Acquisition
from client.types.scoring import SampleScores, ScoreJob, ScoreJobState, ScoreShard
from dowser.v1 import acquisition_pb2, scoring_pb2


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
        create_time=values.time(message.create_time),
        end_time=values.time(message.end_time) if message.HasField("end_time") else None,
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
