"""Batch scoring: a pool, or some of it, scored by a classifier into Parquet shards, durably and after all else."""

from query_server.batch.jobs import ScoreJobs
from query_server.batch.ports import Engine
from query_server.batch.values import JobState, ScoreJob, ScoreSpec, Shard

__all__ = ["Engine", "JobState", "ScoreJob", "ScoreJobs", "ScoreSpec", "Shard"]
