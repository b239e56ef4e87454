"""Score jobs on Ray Data: a shard is a task, which any node does that sees the bundle, the index and the folder.

Tasks return the bytes of their files and the driver writes them in order, so that the folder is the same as the local
engine's, also where it goes on. A task whose node is lost is done again on another. Worker processes stay with Ray's
own process between tasks.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from query_server.batch.folder import JobFolder
from query_server.batch.ports import Engine, Scorer
from query_server.batch.scoring import compiled, score_shard, target_inputs
from query_server.errors import extra_not_installed
from query_server.offline_scoring import OfflineEngine, OfflineSetup


def run_on_ray(
    setup: OfflineSetup, folder: JobFolder, engine: Engine, progress: Callable[[int, int], None]
) -> None:
    """Write a job's missing shards.

    Args:
        setup: What each node opens.
        folder: The job.
        engine: The driver's own, for what is made of the pool at large.
        progress: Called with the samples done and all of them, after each shard.

    Raises:
        DowserError: EXTRA_NOT_INSTALLED, or as scoring refuses.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise extra_not_installed("ray", "ray") from None
    record = folder.record
    conditions = folder.load_conditions(record.spec.acquisitions)
    compiled(
        engine.classifiers,
        record.spec.classifier_id,
        record.spec.acquisitions,
        targets=target_inputs(engine.pool(), seed=int(record.fingerprint[:8], 16)),
        conditions=conditions,
    )
    folder.save_conditions(conditions)
    if not ray.is_initialized():
        ray.init(log_to_driver=False, include_dashboard=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    size, shard_size = record.size, record.spec.shard_size
    missing = list(range(len(folder.shards), -(-size // shard_size)))
    if not missing:
        return
    shards = ray.data.from_items([{"shard": shard} for shard in missing], override_num_blocks=len(missing))
    task = functools.partial(_score, setup=setup, path=folder.path.resolve(), fingerprint=record.fingerprint)
    for row in shards.map(task, num_cpus=setup.threads).iter_rows():
        number = int(row["shard"])
        planned = min(size, (number + 1) * shard_size) - number * shard_size
        folder.write_shard(number, row["data"], rows=int(row["rows"]), missing=planned - int(row["rows"]))
        progress(min(size, (number + 1) * shard_size), size)


def _score(row: dict[str, Any], *, setup: OfflineSetup, path: Path, fingerprint: str) -> dict[str, Any]:
    """Score one shard, on whichever node."""
    folder, engine, scorer = _opened(setup, path, fingerprint)
    spec, shard = folder.record.spec, int(row["shard"])
    ids = folder.pool_ids()[shard * spec.shard_size : (shard + 1) * spec.shard_size]
    data, rows = score_shard(engine, scorer, spec, np.asarray(ids))
    return {"shard": shard, "data": data, "rows": rows}


_held = contextlib.ExitStack()
atexit.register(_held.close)


@functools.lru_cache(maxsize=1)
def _opened(setup: OfflineSetup, path: Path, fingerprint: str) -> tuple[JobFolder, OfflineEngine, Scorer]:
    """Open a job and an engine, once in each of Ray's processes."""
    _held.close()
    folder = JobFolder(path)
    spec = folder.record.spec
    engine = _held.enter_context(setup.open(folder.classifier))
    scorer = compiled(
        engine.classifiers,
        spec.classifier_id,
        spec.acquisitions,
        targets=target_inputs(engine.pool(), seed=int(fingerprint[:8], 16)),
        conditions=folder.load_conditions(spec.acquisitions),
    )
    return folder, engine, scorer
