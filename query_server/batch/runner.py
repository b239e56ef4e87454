"""Runs one job: chunks are scored side by side, gathered in order, and written a shard at a time.

One chunk more than there are workers is under way, so that samples are read while others are scored. Each chunk first
gives way to interactive requests.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from query_server.batch.folder import JobFolder
from query_server.batch.parquet import to_parquet
from query_server.batch.ports import Engine, OpenEngine, Scorer
from query_server.batch.scoring import Columns, chunk_rows, score_chunk, scorer_of
from query_server.courtesy import Courtesy
from query_server.errors import cancelled
from query_server.patience import waiting_caller

_STAGE = "score job"


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """Samples scored at a time.

    Attributes:
        shard: Which shard they belong to.
        start: Where they are among the job's samples.
        stop: Where they end.
        is_last: Whether the shard ends with them.
    """

    shard: int
    start: int
    stop: int
    is_last: bool


@dataclass(kw_only=True)
class Run:
    """One job being worked on.

    Attributes:
        folder: The job.
        open_engine: What scores.
        courtesy: Whom to give way to.
        stop: Set to end the run after the samples in the workers' hands.
        progress: Called with the samples done and all of them, after each shard.
        began: When it was taken up, ``time.monotonic()``.
        rows: Samples of shards finished since.
    """

    folder: JobFolder
    open_engine: OpenEngine
    courtesy: Courtesy
    progress: Callable[[int, int], None] = lambda done, size: None
    stop: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)
    rows: int = 0

    def __call__(self) -> None:
        """Score until every shard is written.

        Raises:
            DowserError: CANCELLED once ``stop`` is set, and as the classifier, the pool or the disk refuse.
        """
        with waiting_caller(self._checkpoint):
            while len(self.folder.shards) < self._shard_count():
                self._checkpoint(_STAGE)
                with self.open_engine(self.folder.classifier) as engine:
                    self._write_shards(engine)

    @property
    def rows_per_second(self) -> float | None:
        """The pace since the run began; None before its first shard."""
        return self.rows / max(1e-9, time.monotonic() - self.began) if self.rows else None

    def _write_shards(self, engine: Engine) -> None:
        """Write shards until all are written or the engine is no longer current."""
        record, spec = self.folder.record, self.folder.record.spec
        scorer = scorer_of(self.folder, engine)
        facts = engine.classifiers.info(spec.classifier_id)
        gathered: list[Columns] = []

        def gather(chunk: _Chunk, columns: Columns) -> None:
            gathered.append(columns)
            if not chunk.is_last:
                return
            data = to_parquet(gathered, spec, facts, pool=record.pool)
            rows = sum(len(each["pool_id"]) for each in gathered if each)
            size = chunk.stop - chunk.shard * spec.shard_size
            self.folder.write_shard(chunk.shard, data, rows=rows, missing=size - rows)
            self.rows += size
            self.progress(chunk.stop, record.size)
            gathered.clear()

        self._score_all(engine, scorer, gather)

    def _score_all(self, engine: Engine, scorer: Scorer, gather: Callable[[_Chunk, Columns], None]) -> None:
        pool_ids = self.folder.pool_ids()
        under_way: deque[tuple[_Chunk, Future[Columns]]] = deque()
        feeders = ThreadPoolExecutor(engine.workers + 1, thread_name_prefix="dowser-batch")
        try:
            for chunk in self._chunks(engine.pool().input_shape):
                if not engine.is_current():
                    break
                under_way.append((chunk, feeders.submit(self._score, engine, scorer, pool_ids, chunk)))
                while len(under_way) > engine.workers + 1:
                    done, columns = under_way.popleft()
                    gather(done, columns.result())
            for done, columns in under_way:
                gather(done, columns.result())
        finally:
            for _, left in under_way:
                left.cancel()
            feeders.shutdown()

    def _score(self, engine: Engine, scorer: Scorer, pool_ids: NDArray[np.uint64], chunk: _Chunk) -> Columns:
        self.courtesy.give_way(lambda: self._checkpoint(_STAGE))
        with waiting_caller(self._checkpoint):
            ids = np.asarray(pool_ids[chunk.start : chunk.stop])
            return score_chunk(engine.pool(), scorer, self.folder.record.spec, ids)

    def _chunks(self, input_shape: tuple[int, ...]) -> Iterator[_Chunk]:
        """Cut what is left into chunks, of which none spans two shards."""
        size, shard_size = self.folder.record.size, self.folder.record.spec.shard_size
        rows = chunk_rows(input_shape)
        for shard in range(len(self.folder.shards), self._shard_count()):
            end = min(size, (shard + 1) * shard_size)
            for start in range(shard * shard_size, end, rows):
                stop = min(end, start + rows)
                yield _Chunk(shard=shard, start=start, stop=stop, is_last=stop == end)

    def _checkpoint(self, stage: str) -> None:
        if self.stop.is_set():
            raise cancelled(stage)

    def _shard_count(self) -> int:
        return self.folder.record.spec.shards_of(self.folder.record.size)
