"""What score jobs run on: the pool that is served, and worker processes of their own, which yield to all others.

Their processes run at a low priority and exist only while there is a job, so that no selection ever waits for one
that a job has. Threads of the server itself keep theirs: one of low priority that holds the interpreter's lock would
hold up the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from query_server.batch.ports import OpenEngine
from query_server.batch.scoring import run_rows
from query_server.models import Runtime
from query_server.models.sandbox import Sandbox, SandboxConfig, SandboxedClassifiers
from query_server.pool import Pool
from query_server.serving import Generation, Serving
from query_server.settings import ServeSettings

_NICENESS = 10


@dataclass(frozen=True, kw_only=True)
class BatchEngine:
    """A generation and a job's classifier.

    Attributes:
        classifiers: The job's own.
        workers: Chunks scored at the same time.
        serving: What is served now.
        generation: What was when the engine was opened.
    """

    classifiers: SandboxedClassifiers
    workers: int
    serving: Serving
    generation: Generation

    def pool(self) -> Pool:
        """Return the pool's newest state."""
        return self.generation.live.current()

    def is_current(self) -> bool:
        """Whether nothing was reloaded since."""
        return self.serving.serves(self.generation)


def opener(settings: ServeSettings, runtime: Runtime, serving: Serving) -> OpenEngine:
    """Return what opens an engine over a folder with a job's classifier."""
    # Two at least of several threads: one is sent samples and gives scores back while the other computes.
    workers = min(2, settings.threads)

    @contextmanager
    def open_engine(classifier: Path) -> Iterator[BatchEngine]:
        with serving.use() as generation:
            sandbox = Sandbox(
                SandboxConfig(
                    workers=workers,
                    memory_bytes=settings.worker_memory_bytes,
                    job_seconds=settings.worker_job_seconds,
                    threads=-(-settings.threads // workers),
                    device=runtime.device,
                    gpu=runtime.gpu,
                    max_bytes=settings.max_classifier_bytes,
                    run_rows=run_rows(generation.bundle.input_shape),
                    niceness=_NICENESS,
                    affinity_seconds=0.0,
                ),
                generation.bundle,
            )
            try:
                yield BatchEngine(
                    classifiers=SandboxedClassifiers(classifier, bundle=generation.bundle, sandbox=sandbox),
                    workers=workers,
                    serving=serving,
                    generation=generation,
                )
            finally:
                sandbox.close()

    return open_engine
