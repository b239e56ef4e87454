"""Scores without a selection: of whole pools, and of samples now; blocking and as coroutines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import scoring as requests
from client.types.acquisition import Acquisition
from client.types.classifiers import ClassifierInfo
from client.types.pools import PoolIds
from client.types.scoring import SampleScores, ScoreJob


class ScoringCalls(Calls):
    """Scores without a selection: of whole pools, and of samples now."""

    def start_score_pool(
        self,
        classifier: ClassifierInfo | str,
        *,
        acquisitions: Iterable[Acquisition | str] = (Acquisition.MARGIN,),
        pool_ids: PoolIds | None = None,
        probabilities: bool = False,
        embedding: bool = False,
        shard_size: int | None = None,
        pool: str = "",
        request_id: str | None = None,
    ) -> ScoreJob:
        """Begin to score a pool into Parquet shards on the server; the job goes on by itself after a restart.

        Args:
            classifier: An uploaded classifier.
            acquisitions: What to score by, a column each; one pass of the classifier serves all.
            pool_ids: Samples to score, each once, in the order of the rows written; None means all the pool holds.
            probabilities: Write class probabilities too.
            embedding: Write the classifier's embedding too.
            shard_size: Samples of a shard; None means 100,000.
            pool: The pool; empty means the server's only one.
            request_id: Names this call: sent again, it returns the same job. None makes one.
        """
        return self._send(
            requests.start_score_pool(
                classifier,
                acquisitions=acquisitions,
                pool_ids=pool_ids,
                probabilities=probabilities,
                embedding=embedding,
                shard_size=shard_size,
                pool=pool,
                request_id=request_id,
            )
        )

    def get_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """Return a score job as it stands now."""
        return self._send(requests.get_score_job(job))

    def list_score_jobs(self) -> tuple[ScoreJob, ...]:
        """Return the score jobs that the server keeps, in the order they were started, without their shards."""
        return self._send(requests.list_score_jobs())

    def cancel_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """End a score job; what it has written can still be read."""
        return self._send(requests.cancel_score_job(job))

    def read_score_shard(self, job: ScoreJob | str, shard: int) -> bytes:
        """Return the Parquet file of a finished shard, however many calls that takes."""
        data = bytearray()
        while part := self._send(requests.read_score_shard(job, shard, offset=len(data))):
            data += part
        return bytes(data)

    def score_samples(
        self,
        classifier: ClassifierInfo | str,
        *,
        pool_ids: PoolIds | None = None,
        samples: NDArray[Any] | None = None,
        acquisitions: Iterable[Acquisition | str] = (Acquisition.MARGIN,),
        probabilities: bool = False,
        embedding: bool = False,
        pool: str = "",
    ) -> SampleScores:
        """Score samples now, streamed in chunks; nothing is leased.

        Args:
            classifier: An uploaded classifier.
            pool_ids: Samples of the pool; or
            samples: raw samples [n, *raw_shape] or model inputs float32 [n, *input_shape]. Exactly one of the two.
            acquisitions: What to score by.
            probabilities: Return class probabilities too.
            embedding: Return the classifier's embedding too.
            pool: The pool; empty means the server's only one.
        """
        return self._send(
            requests.score_samples(
                classifier,
                pool_ids=pool_ids,
                samples=samples,
                acquisitions=acquisitions,
                probabilities=probabilities,
                embedding=embedding,
                pool=pool,
            )
        )


class AsyncScoringCalls(AsyncCalls):
    """The same as coroutines."""

    async def start_score_pool(
        self,
        classifier: ClassifierInfo | str,
        *,
        acquisitions: Iterable[Acquisition | str] = (Acquisition.MARGIN,),
        pool_ids: PoolIds | None = None,
        probabilities: bool = False,
        embedding: bool = False,
        shard_size: int | None = None,
        pool: str = "",
        request_id: str | None = None,
    ) -> ScoreJob:
        """Begin to score a pool into Parquet shards on the server; the job goes on by itself after a restart.

        Args:
            classifier: An uploaded classifier.
            acquisitions: What to score by, a column each; one pass of the classifier serves all.
            pool_ids: Samples to score, each once, in the order of the rows written; None means all the pool holds.
            probabilities: Write class probabilities too.
            embedding: Write the classifier's embedding too.
            shard_size: Samples of a shard; None means 100,000.
            pool: The pool; empty means the server's only one.
            request_id: Names this call: sent again, it returns the same job. None makes one.
        """
        return await self._send(
            requests.start_score_pool(
                classifier,
                acquisitions=acquisitions,
                pool_ids=pool_ids,
                probabilities=probabilities,
                embedding=embedding,
                shard_size=shard_size,
                pool=pool,
                request_id=request_id,
            )
        )

    async def get_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """Return a score job as it stands now."""
        return await self._send(requests.get_score_job(job))

    async def list_score_jobs(self) -> tuple[ScoreJob, ...]:
        """Return the score jobs that the server keeps, in the order they were started, without their shards."""
        return await self._send(requests.list_score_jobs())

    async def cancel_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """End a score job; what it has written can still be read."""
        return await self._send(requests.cancel_score_job(job))

    async def read_score_shard(self, job: ScoreJob | str, shard: int) -> bytes:
        """Return the Parquet file of a finished shard, however many calls that takes."""
        data = bytearray()
        while part := await self._send(requests.read_score_shard(job, shard, offset=len(data))):
            data += part
        return bytes(data)

    async def score_samples(
        self,
        classifier: ClassifierInfo | str,
        *,
        pool_ids: PoolIds | None = None,
        samples: NDArray[Any] | None = None,
        acquisitions: Iterable[Acquisition | str] = (Acquisition.MARGIN,),
        probabilities: bool = False,
        embedding: bool = False,
        pool: str = "",
    ) -> SampleScores:
        """Score samples now, streamed in chunks; nothing is leased.

        Args:
            classifier: An uploaded classifier.
            pool_ids: Samples of the pool; or
            samples: raw samples [n, *raw_shape] or model inputs float32 [n, *input_shape]. Exactly one of the two.
            acquisitions: What to score by.
            probabilities: Return class probabilities too.
            embedding: Return the classifier's embedding too.
            pool: The pool; empty means the server's only one.
        """
        return await self._send(
            requests.score_samples(
                classifier,
                pool_ids=pool_ids,
                samples=samples,
                acquisitions=acquisitions,
                probabilities=probabilities,
                embedding=embedding,
                pool=pool,
            )
        )
