"""What a score job is asked, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_SHARD_SIZE = 100_000
MAX_SHARD_SIZE = 1_000_000


class JobState(StrEnum):
    """What became of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class ScoreSpec:
    """What to score by, and what to write.

    Attributes:
        classifier_id: An uploaded classifier.
        acquisitions: Names of acquisition functions, a column each.
        probabilities: Whether class probabilities are written.
        embedding: Whether the classifier's embedding is written.
        shard_size: Samples of a shard.
    """

    classifier_id: str
    acquisitions: tuple[str, ...]
    probabilities: bool = False
    embedding: bool = False
    shard_size: int = DEFAULT_SHARD_SIZE

    def shards_of(self, size: int) -> int:
        """Return the files that so many samples make."""
        return -(-size // self.shard_size)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One finished file.

    Attributes:
        number: From 0.
        rows: In it.
        missing: Samples that were removed from the pool before they were scored.
        size_bytes: Of the file.
        sha256: Of the file, hexadecimal.
    """

    number: int
    rows: int
    missing: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """A job as it stands.

    Attributes:
        job_id: Names it.
        pool: The pool's name.
        spec: What was asked.
        state: What became of it.
        size: Samples to score.
        shards: Finished files, from the first on.
        rows_per_second: Since the job was last taken up; None before its first shard since then.
        error_reason: Why it failed, for programs; "" where it did not.
        error: The same in words.
        create_time: Unix seconds.
        end_time: Unix seconds; None before the end.
    """

    job_id: str
    pool: str
    spec: ScoreSpec
    state: JobState
    size: int
    shards: tuple[Shard, ...]
    rows_per_second: float | None = None
    error_reason: str = ""
    error: str = ""
    create_time: float
    end_time: float | None = None

    @property
    def done(self) -> int:
        """Samples in finished shards, those removed meanwhile among them."""
        return sum(shard.rows + shard.missing for shard in self.shards)

    @property
    def shard_count(self) -> int:
        """Files to be written."""
        return self.spec.shards_of(self.size)

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at the present pace; None where it is unknown or nothing is left."""
        if self.state is not JobState.RUNNING or not self.rows_per_second:
            return None
        return (self.size - self.done) / self.rows_per_second
