"""Scores an index without a server: the jobs of ``batch`` in a folder of their own, on this machine or on Ray."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from query_server.batch.folder import CLASSIFIER, JobFolder, Record
from query_server.batch.parquet import require_parquet
from query_server.batch.runner import Run
from query_server.batch.scoring import check_spec, run_rows
from query_server.batch.values import JobState, ScoreSpec
from query_server.courtesy import Courtesy
from query_server.errors import invalid_argument, pool_id_not_found, samples_not_stored
from query_server.models import Bundle, Runtime
from query_server.models.files import id_of
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.pool import Pool

#: Told of the samples done and all of them, now and then.
Progress: TypeAlias = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class OfflineEngine:
    """A bundle with its index, and a classifier in worker processes.

    Attributes:
        classifiers: With the one classifier.
        workers: Chunks scored at the same time.
        opened: The index's own samples; what a server added or removed since is not seen.
    """

    classifiers: SandboxedClassifiers
    workers: int
    opened: Pool

    def pool(self) -> Pool:
        """Return the samples."""
        return self.opened

    def is_current(self) -> bool:
        """Nothing is ever reloaded."""
        return True


@dataclass(frozen=True, kw_only=True)
class OfflineSetup:
    """What an engine is opened from; can be sent to another machine that sees the same files.

    Attributes:
        bundle: The bundle's folder.
        index: The index's folder.
        threads: Of all workers together.
        device: "auto", "cpu" or "cuda".
    """

    bundle: Path
    index: Path
    threads: int
    device: str = "auto"

    @contextmanager
    def open(self, classifier: Path) -> Iterator[OfflineEngine]:
        """Open an engine over a folder with uploaded classifiers.

        Raises:
            DowserError: CORRUPT_FILE.
        """
        runtime = Runtime(device=self.device, threads=self.threads)
        bundle = Bundle.open(self.bundle, runtime)
        pool = Pool.open(
            self.index,
            expected_bundle_digest=bundle.digest,
            expected_encoder_sha256=bundle.encoder_sha256,
            threads=self.threads,
            device="cpu",
        )
        workers = min(2, self.threads)
        config = SandboxConfig(
            workers=workers,
            threads=-(-self.threads // workers),
            device=runtime.device,
            run_rows=run_rows(bundle.input_shape),
            affinity_seconds=0.0,
        )
        sandbox = Sandbox(config, bundle)
        try:
            classifiers = SandboxedClassifiers(classifier, bundle=bundle, sandbox=sandbox)
            yield OfflineEngine(classifiers=classifiers, workers=workers, opened=pool)
        finally:
            sandbox.close()
            pool.close()
            runtime.close()


#: Writes a job's missing shards, given what to open elsewhere and what is open here.
RunJob: TypeAlias = Callable[[OfflineSetup, JobFolder, OfflineEngine, Progress], None]


def score(
    setup: OfflineSetup,
    *,
    classifier: Path,
    out: Path,
    acquisitions: Sequence[str],
    pool_ids: NDArray[np.uint64] | None,
    probabilities: bool,
    embedding: bool,
    shard_size: int,
    run: RunJob | None = None,
    progress: Progress = lambda done, size: None,
) -> JobFolder:
    """Score an index's samples into Parquet shards; run again, it goes on after the last finished shard.

    Both engines write the same files.

    Args:
        setup: What to score with.
        classifier: An ONNX file.
        out: The folder, made where it is missing.
        acquisitions: Names of acquisition functions, a column each.
        pool_ids: Samples uint64 [n]; None means all.
        probabilities: Whether class probabilities are written.
        embedding: Whether the classifier's embedding is written.
        shard_size: Samples of a shard.
        run: Writes the missing shards; None does it in this process.
        progress: Called with the samples done and all of them, now and then.

    Raises:
        DowserError: As a job on a server refuses, INVALID_ARGUMENT for a folder with other scores, and
            EXTRA_NOT_INSTALLED.
    """
    require_parquet()
    data = classifier.read_bytes()
    spec = ScoreSpec(
        classifier_id=id_of(data),
        acquisitions=tuple(acquisitions),
        probabilities=probabilities,
        embedding=embedding,
        shard_size=shard_size,
    )
    out.mkdir(parents=True, exist_ok=True)
    with setup.open(out / CLASSIFIER) as opened:
        check_spec(spec, opened.classifiers.add(data))
        folder = _folder(out, spec, opened.pool(), pool_ids)
        (run or _run_here)(setup, folder, opened, progress)
    folder.update(state=JobState.DONE, end_time=time.time())
    return folder


def _run_here(_: OfflineSetup, folder: JobFolder, opened: OfflineEngine, progress: Progress) -> None:
    Run(
        folder=folder,
        open_engine=lambda _: nullcontext(opened),
        courtesy=Courtesy(),
        progress=progress,
    )()


def _folder(out: Path, spec: ScoreSpec, pool: Pool, pool_ids: NDArray[np.uint64] | None) -> JobFolder:
    """Return the folder's job, or make it one."""
    asked = hashlib.sha256(json.dumps(asdict(spec)).encode())
    asked.update(pool.name.encode() + b"\0" + (b"" if pool_ids is None else pool_ids.tobytes()))
    if JobFolder.is_one(out):
        folder = JobFolder(out)
        if folder.record.fingerprint != asked.hexdigest():
            raise invalid_argument(
                "out",
                str(out),
                "an empty folder, or one of the same scores; these are of another classifier, pool, ids or columns",
            )
        return folder
    if not pool.has_samples:
        raise samples_not_stored(pool.name)
    ids = pool.ids_of(np.arange(pool.rows)) if pool_ids is None else pool_ids
    unknown = pool.rows_of(ids) < 0
    if unknown.any():
        raise pool_id_not_found(int(ids[unknown][0]), int(unknown.sum()))
    if not len(ids) or len(np.unique(ids)) != len(ids):
        raise invalid_argument("ids", f"{len(ids)} ids", "each given once, and at least 1")
    record = Record(
        job_id=out.name,
        fingerprint=asked.hexdigest(),
        pool=pool.name,
        size=len(ids),
        spec=spec,
        state=JobState.QUEUED,
        create_time=time.time(),
    )
    return JobFolder.begin(out, record, ids)
