"""The score jobs of a server: started, run one after the other, told of, read, and taken up again after a restart."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from query_server.batch.folder import JobFolder, Record, open_jobs
from query_server.batch.parquet import require_parquet
from query_server.batch.ports import OpenEngine, Pool
from query_server.batch.runner import Run
from query_server.batch.values import JobState, ScoreJob, ScoreSpec
from query_server.courtesy import Courtesy
from query_server.errors import (
    DowserError,
    Reason,
    invalid_argument,
    overloaded,
    pool_id_not_found,
    request_id_reused,
    samples_not_stored,
    score_job_not_found,
    shard_not_ready,
)

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 30.0
_READ_BYTES = 4 * 2**20


class ScoreJobs:
    """Keeps and runs jobs. Thread-safe.

    Args:
        folder: Where jobs lie, a folder each.
        open_engine: What scores, made anew for each job and after each reload.
        courtesy: Interactive requests, which jobs give way to.
        keep: Jobs kept; those that ended first are dropped for a new one.

    Raises:
        DowserError: CORRUPT_FILE naming a job's record that cannot be read.
    """

    def __init__(self, folder: Path, *, open_engine: OpenEngine, courtesy: Courtesy, keep: int) -> None:
        self._folder = folder
        self._open_engine = open_engine
        self._courtesy = courtesy
        self._keep = keep
        self._jobs = {job.record.job_id: job for job in open_jobs(folder)}
        self._starting = threading.Lock()
        self._changed = threading.Condition(threading.RLock())
        self._run: Run | None = None
        self._closing = False
        for job in self._jobs.values():
            if not job.record.state.has_ended:
                _LOG.info("score job %s goes on at shard %d", job.record.job_id, len(job.shards))
        self._thread = threading.Thread(target=self._work, name="dowser-jobs", daemon=True)

    def begin(self) -> None:
        """Begin to work."""
        self._thread.start()

    def start(
        self,
        spec: ScoreSpec,
        *,
        pool: Pool,
        pool_ids: NDArray[np.uint64] | None,
        classifier: Path,
        request_id: str,
        fingerprint: bytes,
    ) -> ScoreJob:
        """Start a job; the same request again returns the same one.

        Args:
            spec: What to score by; the classifier is known to have what it asks for.
            pool: The pool's state.
            pool_ids: Samples uint64 [n]; None means all there are.
            classifier: The uploaded file, of which the job keeps a copy.
            request_id: Names the request.
            fingerprint: Of all else in it.

        Raises:
            DowserError: POOL_ID_NOT_FOUND, INVALID_ARGUMENT, SAMPLES_NOT_STORED, EXTRA_NOT_INSTALLED,
                REQUEST_ID_REUSED, OVERLOADED or STORAGE_FULL.
        """
        job_id = hashlib.sha256(request_id.encode()).hexdigest()[:32]
        with self._starting:
            with self._changed:
                known = self._jobs.get(job_id)
                if known is not None:
                    if known.record.fingerprint != fingerprint.hex():
                        raise request_id_reused(request_id)
                    return self._describe(known)
            require_parquet()
            if not pool.has_samples:
                raise samples_not_stored(pool.name)
            ids = _all_ids(pool) if pool_ids is None else _known_ids(pool, pool_ids)
            self._make_room()
            record = Record(
                job_id=job_id,
                fingerprint=fingerprint.hex(),
                pool=pool.name,
                size=len(ids),
                spec=spec,
                state=JobState.QUEUED,
                create_time=time.time(),
            )
            job = JobFolder.create(self._folder / job_id, record, ids, [classifier])
            with self._changed:
                self._jobs[job_id] = job
                self._changed.notify_all()
                return self._describe(job)

    def get(self, job_id: str) -> ScoreJob:
        """Return a job as it stands.

        Raises:
            DowserError: SCORE_JOB_NOT_FOUND.
        """
        with self._changed:
            return self._describe(self._find(job_id))

    def list(self) -> tuple[ScoreJob, ...]:
        """Return all jobs in the order they were started."""
        with self._changed:
            return tuple(self._describe(job) for job in self._jobs.values())

    def cancel(self, job_id: str) -> ScoreJob:
        """End a job; one that has ended stays as it is.

        Raises:
            DowserError: SCORE_JOB_NOT_FOUND.
        """
        with self._changed:
            job = self._find(job_id)
            if not job.record.state.has_ended:
                job.update(state=JobState.CANCELLED, end_time=time.time())
                if self._run is not None and self._run.folder is job:
                    self._run.stop.set()
            return self._describe(job)

    def read(self, job_id: str, shard: int, offset: int) -> bytes:
        """Return at most 4 MiB of a finished shard's file from an offset on; nothing at its end.

        Raises:
            DowserError: SCORE_JOB_NOT_FOUND or SHARD_NOT_READY.
        """
        with self._changed:
            job = self._find(job_id)
            if shard >= len(job.shards):
                raise shard_not_ready(job_id, shard, len(job.shards))
            path = job.shard_path(shard)
            size_bytes = job.shards[shard].size_bytes
        try:
            with path.open("rb") as file:
                file.seek(min(offset, size_bytes))
                return file.read(_READ_BYTES)
        except FileNotFoundError:
            raise score_job_not_found(job_id) from None  # dropped meanwhile

    def close(self) -> None:
        """Stop working; what is unfinished goes on at the next start."""
        with self._changed:
            self._closing = True
            if self._run is not None:
                self._run.stop.set()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        while (run := self._next()) is not None:
            job = run.folder
            try:
                run()
            except DowserError as error:
                if not run.stop.is_set():
                    self._end(job, JobState.FAILED, error_reason=str(error.reason), error=error.message)
            except Exception as error:
                _LOG.exception("score job %s", job.record.job_id)
                why = f"the server failed ({type(error).__name__}); its log says more"
                self._end(job, JobState.FAILED, error_reason=str(Reason.INTERNAL), error=why)
            else:
                self._end(job, JobState.DONE)
            with self._changed:
                self._run = None

    def _next(self) -> Run | None:
        """Wait for a job to run; None once the server closes."""
        with self._changed:
            while not self._closing:
                waiting = (job for job in self._jobs.values() if not job.record.state.has_ended)
                job = next(waiting, None)
                if job is not None:
                    self._run = Run(folder=job, open_engine=self._open_engine, courtesy=self._courtesy)
                    return self._run
                self._changed.wait()
            return None

    def _end(self, job: JobFolder, state: JobState, **more: str) -> None:
        """Note how a run ended; where the disk has no room for that, until the next start."""
        _LOG.info("score job %s is %s %s", job.record.job_id, state, more.get("error", ""))
        with self._changed:
            if job.record.state.has_ended:  # cancelled
                return
            changes: dict[str, Any] = {"state": state, "end_time": time.time(), **more}
            try:
                job.update(**changes)
            except DowserError as error:
                _LOG.error("score job %s: %s", job.record.job_id, error.message)
                job.record = replace(job.record, **changes)

    def _make_room(self) -> None:
        with self._changed:
            surplus = len(self._jobs) + 1 - self._keep
            if surplus <= 0:
                return
            running = self._run.folder if self._run is not None else None
            ended = [job for job in self._jobs.values() if job.record.state.has_ended and job is not running]
            if len(ended) < surplus:
                raise overloaded("the number of score jobs", self._keep, _RETRY_SECONDS)
            dropped = sorted(ended, key=lambda job: job.record.end_time or 0.0)[:surplus]
            for job in dropped:
                del self._jobs[job.record.job_id]
        for job in dropped:
            job.remove()
            _LOG.info("dropped score job %s for a new one", job.record.job_id)

    def _find(self, job_id: str) -> JobFolder:
        job = self._jobs.get(job_id)
        if job is None:
            raise score_job_not_found(job_id)
        return job

    def _describe(self, job: JobFolder) -> ScoreJob:
        record = job.record
        run = self._run if self._run is not None and self._run.folder is job else None
        return ScoreJob(
            job_id=record.job_id,
            pool=record.pool,
            spec=record.spec,
            state=JobState.RUNNING if run is not None and not record.state.has_ended else record.state,
            size=record.size,
            shards=job.shards,
            rows_per_second=run.rows_per_second if run is not None else None,
            error_reason=record.error_reason,
            error=record.error,
            create_time=record.create_time,
            end_time=record.end_time,
        )


def _all_ids(pool: Pool) -> NDArray[np.uint64]:
    return pool.ids_of(np.flatnonzero(pool.alive()))


def _known_ids(pool: Pool, pool_ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    unknown = pool.rows_of(pool_ids) < 0
    if unknown.any():
        raise pool_id_not_found(int(pool_ids[unknown][0]), int(unknown.sum()))
    if len(np.unique(pool_ids)) != len(pool_ids):
        raise invalid_argument("pool_ids", "an id given twice", "each id once")
    return pool_ids
