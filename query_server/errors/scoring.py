"""What is wrong about a score job."""

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def score_job_not_found(job_id: str) -> DowserError:
    """Refuse a job that was never started or was dropped for newer ones."""
    return DowserError(
        Reason.SCORE_JOB_NOT_FOUND,
        f"there is no score job {job_id!r}, or it was dropped for newer ones; ListScoreJobs names those there are",
        metadata={"job_id": job_id},
    )


def shard_not_ready(job_id: str, shard: int, finished: int) -> DowserError:
    """Refuse to read a shard that the job has not written."""
    return DowserError(
        Reason.SHARD_NOT_READY,
        f"the score job {job_id} has finished {finished} shards, and number {shard} (counted from 0) is none of them; "
        "GetScoreJob lists them",
        metadata={"job_id": job_id, "shard": str(shard), "finished": str(finished)},
    )
