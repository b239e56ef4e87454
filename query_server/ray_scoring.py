"""Score jobs on Ray: a shard is a task, which any node does that sees the bundle, the index and the folder.

Tasks return the bytes of their files and the driver writes them in order, so that the folder is the same as the local
engine's, also where it goes on. Worker processes stay with Ray's own process between tasks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from query_server.batch.folder import JobFolder
from query_server.batch.ports import Engine, Scorer
from query_server.batch.scoring import score_shard, scorer_of
from query_server.offline_scoring import OfflineEngine, OfflineSetup
from query_server.ray_tasks import in_order


def run_on_ray(
    setup: OfflineSetup, folder: JobFolder, engine: Engine, progress: Callable[[int, int], None]
) -> None:
    """Write a job's missing shards; ``ray_tasks.connected`` holds meanwhile.

    Args:
        setup: What each node opens.
        folder: The job.
        engine: The driver's own, for what is made of the pool at large.
        progress: Called with the samples done and all of them, after each shard.

    Raises:
        DowserError: As scoring refuses.
    """
    record = folder.record
    size, shard_size = record.size, record.spec.shard_size
    missing = range(len(folder.shards), record.spec.shards_of(size))
    task = functools.partial(_score, setup=setup, path=folder.path.resolve(), fingerprint=record.fingerprint)
    scorer_of(folder, engine)  # for what it keeps in the folder, which the nodes read
    scored = in_order(task, missing, threads=setup.threads, device=setup.device)
    for number, (data, rows) in zip(missing, scored, strict=True):
        end = min(size, (number + 1) * shard_size)
        folder.write_shard(number, data, rows=rows, missing=end - number * shard_size - rows)
        progress(end, size)


def _score(shard: int, *, setup: OfflineSetup, path: Path, fingerprint: str) -> tuple[bytes, int]:
    """Score one shard, on whichever node; return its file and its rows."""
    folder, engine, scorer = _opened(setup, path, fingerprint)
    spec = folder.record.spec
    ids = folder.pool_ids()[shard * spec.shard_size : (shard + 1) * spec.shard_size]
    return score_shard(engine, scorer, spec, np.asarray(ids))


_held = contextlib.ExitStack()
atexit.register(_held.close)


@functools.lru_cache(maxsize=1)
def _opened(setup: OfflineSetup, path: Path, fingerprint: str) -> tuple[JobFolder, OfflineEngine, Scorer]:
    """Open a job and an engine, once in each of Ray's processes."""
    _held.close()
    folder = JobFolder(path)
    engine = _held.enter_context(setup.open(folder.classifier))
    return folder, engine, scorer_of(folder, engine)
