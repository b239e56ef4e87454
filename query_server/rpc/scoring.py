"""ScoringService: score a pool as a job, or samples as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from grpc import aio
from numpy.typing import NDArray

from dowser.v1 import scoring_pb2, scoring_pb2_grpc
from query_server.acquisition import HeadCondition
from query_server.batch import ScoreJob, ScoreJobs
from query_server.batch.scoring import Columns, check_spec, columns_of, compiled, target_inputs
from query_server.batch.values import ScoreSpec
from query_server.campaigns.values import Request
from query_server.courtesy import Courtesy
from query_server.errors import invalid_argument
from query_server.pool import Pool
from query_server.rpc import convert, scoring_values
from query_server.rpc.headed import headed
from query_server.rpc.pool_samples import inputs_of, named
from query_server.rpc.work import Workers
from query_server.serving import Serving

MAX_CHUNK = 4096
_Context = aio.ServicerContext[Any, Any]


class ScoringServicer(scoring_pb2_grpc.ScoringServiceServicer):
    """Scores without selecting.

    Args:
        serving: What is served now.
        jobs: The score jobs.
        workers: Run the blocking work.
        courtesy: Where what somebody waits for is counted.
    """

    def __init__(self, *, serving: Serving, jobs: ScoreJobs, workers: Workers, courtesy: Courtesy) -> None:
        self._serving = serving
        self._jobs = jobs
        self._workers = workers
        self._courtesy = courtesy

    async def StartScorePool(
        self, request: scoring_pb2.StartScorePoolRequest, context: _Context
    ) -> scoring_pb2.StartScorePoolResponse:
        """Start a job."""
        self._serving.require_pool(request.pool)
        write = convert.write_request(request, "StartScorePool")
        job = await self._workers.run(context, lambda _: self._start(request, write))
        return scoring_pb2.StartScorePoolResponse(job=scoring_values.job(job))

    async def GetScoreJob(
        self, request: scoring_pb2.GetScoreJobRequest, context: _Context
    ) -> scoring_pb2.GetScoreJobResponse:
        """Describe a job."""
        job = await self._workers.run(context, lambda _: self._jobs.get(request.job_id))
        return scoring_pb2.GetScoreJobResponse(job=scoring_values.job(job))

    async def ListScoreJobs(
        self, request: scoring_pb2.ListScoreJobsRequest, context: _Context
    ) -> scoring_pb2.ListScoreJobsResponse:
        """List the jobs."""
        jobs = await self._workers.run(context, lambda _: self._jobs.list())
        return scoring_pb2.ListScoreJobsResponse(jobs=[scoring_values.job(job, shards=False) for job in jobs])

    async def CancelScoreJob(
        self, request: scoring_pb2.CancelScoreJobRequest, context: _Context
    ) -> scoring_pb2.CancelScoreJobResponse:
        """End a job."""
        job = await self._workers.run(context, lambda _: self._jobs.cancel(request.job_id))
        return scoring_pb2.CancelScoreJobResponse(job=scoring_values.job(job))

    async def ReadScoreShard(
        self, request: scoring_pb2.ReadScoreShardRequest, context: _Context
    ) -> scoring_pb2.ReadScoreShardResponse:
        """Return a part of a shard."""
        data = await self._workers.run(
            context, lambda _: self._jobs.read(request.job_id, request.shard, request.offset)
        )
        return scoring_pb2.ReadScoreShardResponse(data=data)

    async def ScoreSamples(
        self, request: AsyncIterator[scoring_pb2.ScoreSamplesRequest], context: _Context
    ) -> AsyncIterator[scoring_pb2.ScoreSamplesResponse]:
        """Score chunk after chunk."""
        conditions: dict[str, HeadCondition] = {}
        async for header, part in headed(request, of="call"):
            if part is None:
                self._serving.require_pool(header.pool)
                spec = scoring_values.spec_of_samples(header)
            else:
                yield await self._scored(context, spec, part.chunk, conditions)

    async def _scored(
        self,
        context: _Context,
        spec: ScoreSpec,
        chunk: scoring_pb2.ScoreSamplesChunk,
        conditions: dict[str, HeadCondition],
    ) -> scoring_pb2.ScoreSamplesResponse:
        columns = await self._workers.run(context, lambda _: self._score(spec, chunk, conditions))
        return scoring_values.scores(columns, spec)

    def _start(self, request: scoring_pb2.StartScorePoolRequest, write: Request) -> ScoreJob:
        spec = scoring_values.spec_of_job(request)
        given = np.fromiter(request.pool_ids, np.uint64, len(request.pool_ids))
        with self._serving.use() as generation:
            check_spec(spec, generation.classifiers.info(spec.classifier_id))
            return self._jobs.start(
                spec,
                pool=generation.live.current(),
                pool_ids=given if len(given) else None,
                classifier=generation.classifiers.file(spec.classifier_id),
                request_id=write.id,
                fingerprint=write.fingerprint,
            )

    def _score(
        self,
        spec: ScoreSpec,
        chunk: scoring_pb2.ScoreSamplesChunk,
        conditions: dict[str, HeadCondition],
    ) -> Columns:
        with self._courtesy.interactive(), self._serving.use() as generation:
            pool = generation.live.current()
            check_spec(spec, generation.classifiers.info(spec.classifier_id))
            pool_ids, x = _samples(pool, chunk)
            scorer = compiled(
                generation.classifiers,
                spec.classifier_id,
                spec.acquisitions,
                targets=target_inputs(pool, seed=0),
                conditions=conditions,
            )
            return columns_of(scorer.score(x, embedding=spec.embedding), spec, pool_ids)


def _samples(
    pool: Pool, chunk: scoring_pb2.ScoreSamplesChunk
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return ids [n] and model inputs [n, …] of a chunk; samples that came along have the id 0."""
    if chunk.WhichOneof("samples") == "pool_ids":
        _limit(len(chunk.pool_ids.ids))
        ids, rows = named(pool, chunk.pool_ids.ids)
        return ids, pool.inputs(rows)
    if chunk.WhichOneof("samples") != "values":
        raise invalid_argument("samples", "nothing", "pool_ids or values")
    values = convert.array(chunk.values, field="values")
    _limit(len(values))
    return np.zeros(len(values), np.uint64), inputs_of(pool, values, what="values")


def _limit(count: int) -> None:
    if not 1 <= count <= MAX_CHUNK:
        raise invalid_argument("samples", count, f"1 to {MAX_CHUNK} in a chunk; send more chunks")
