"""Score jobs, and scores without a selection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from client.types.acquisition import Acquisition


class ScoreJobState(StrEnum):
    """How far a score job is."""

    QUEUED = "queued"
    """Waits for the jobs before it; one runs at a time."""
    RUNNING = "running"
    """Scores, or waits for selections to pass."""
    DONE = "done"
    """Every shard is written."""
    FAILED = "failed"
    """It ended before; `ScoreJob.error` says why."""
    CANCELLED = "cancelled"
    """`cancel_score_job` ended it."""
    UNKNOWN = "unknown"
    """A state that this client is too old to know."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of the job."""
        return self not in (ScoreJobState.QUEUED, ScoreJobState.RUNNING, ScoreJobState.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class ScoreShard:
    """One finished Parquet file of a score job.

    Attributes:
        number: From 0.
        rows: In it; fewer than the shard size where samples were removed from the pool meanwhile.
        size_bytes: Of the file.
        sha256: Of the file, hexadecimal.
    """

    number: int
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """A pool being scored, or one that was.

    Attributes:
        job_id: Names it.
        pool: The pool.
        classifier_id: The classifier.
        acquisitions: A column each.
        probabilities: Whether class probabilities are written.
        embedding: Whether the classifier's embedding is written.
        shard_size: Samples of a shard.
        state: How far it is.
        size: Samples to score.
        done: Of those, samples in finished shards or removed from the pool.
        shard_count: Files to be written.
        shards: Those that are finished; empty where jobs are listed.
        rows_per_second: Pace; None before the first shard.
        eta_seconds: Time left at that pace; None where unknown.
        error_reason: Why it failed, "" where it did not.
        error: The same in words.
        create_time: When it was started.
        end_time: When it ended; None before.
    """

    job_id: str
    pool: str
    classifier_id: str
    acquisitions: tuple[Acquisition, ...]
    probabilities: bool
    embedding: bool
    shard_size: int
    state: ScoreJobState
    size: int
    done: int
    shard_count: int
    shards: tuple[ScoreShard, ...]
    rows_per_second: float | None
    eta_seconds: float | None
    error_reason: str
    error: str
    create_time: datetime
    end_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class SampleScores:
    """What a classifier says of n samples.

    Attributes:
        scores: Acquisition scores float32 [n] by acquisition function.
        predicted: Most probable classes int64 [n].
        probabilities: float32 [n, C]; None unless asked for.
        embedding: float32 [n, E]; None unless asked for.
    """

    scores: Mapping[Acquisition, NDArray[np.float32]]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    embedding: NDArray[np.float32] | None
