"""Compiles what a job scores by, and scores one chunk of its samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from query_server.acquisition import HeadCondition, acquisition_function
from query_server.batch.folder import JobFolder
from query_server.batch.parquet import to_parquet
from query_server.batch.ports import Classifiers, Engine, Float32, Pool, Scorer, UInt64
from query_server.batch.values import MAX_SHARD_SIZE, ScoreSpec
from query_server.errors import invalid_argument
from query_server.scored import Scored
from query_server.selection.conditions import condition_of
from query_server.selection.ports import ClassifierFacts

# A chunk is what waits for interactive requests, and what a worker is sent at once.
_CHUNK_BYTES = 2 * 2**20
_MIN_CHUNK, _MAX_CHUNK = 32, 2048
# Of MNIST 83 at a time are 5 % cheaper than 256.
_RUN_BYTES = 2**18
_MIN_RUN, _MAX_RUN = 16, 256

Columns = dict[str, NDArray[np.generic]]


def chunk_rows(input_shape: Sequence[int]) -> int:
    """Return how many samples are scored at a time; by the shape alone, so that a resumed job cuts as before."""
    sample_bytes = 4 * int(np.prod(input_shape))
    return max(_MIN_CHUNK, min(_MAX_CHUNK, _CHUNK_BYTES // sample_bytes))


def run_rows(input_shape: Sequence[int]) -> int:
    """Return how many samples are run at a time: as many as a core's cache holds, and fewer than other requests run."""
    return max(_MIN_RUN, min(_MAX_RUN, _RUN_BYTES // (4 * int(np.prod(input_shape)))))


def compiled(
    classifiers: Classifiers,
    classifier_id: str,
    acquisitions: Sequence[str],
    *,
    targets: Callable[[int], Float32],
    conditions: dict[str, HeadCondition] | None = None,
) -> Scorer:
    """Compile a classifier with all its acquisition functions, for one pass.

    Args:
        classifiers: The uploaded ones.
        classifier_id: One of them.
        acquisitions: Names of the functions, at least one.
        targets: Returns model inputs of so many samples, for functions that ask about the pool at large.
        conditions: What such functions depend on, by their names; what is missing is made and put in.

    Raises:
        DowserError: CLASSIFIER_NOT_FOUND, ACQUISITION_UNSUPPORTED, INVALID_ARGUMENT or CLASSIFIER_FAILED.
    """
    known = {} if conditions is None else conditions
    wanted = []
    for name in acquisitions:
        function = acquisition_function(name)
        condition = known.get(name) or condition_of(classifiers, classifier_id, function, targets=targets)
        if condition is not None:
            known[name] = condition
        wanted.append((function, condition))
    (function, condition), *also = wanted
    return classifiers.compiled(classifier_id, function, condition, also=also)


def check_spec(spec: ScoreSpec, facts: ClassifierFacts) -> None:
    """Refuse what a classifier cannot give, before a job is made of it.

    Raises:
        DowserError: INVALID_ARGUMENT or ACQUISITION_UNSUPPORTED.
    """
    if not 1 <= spec.shard_size <= MAX_SHARD_SIZE:
        raise invalid_argument("shard_size", spec.shard_size, f"1 to {MAX_SHARD_SIZE}")
    if len(set(spec.acquisitions)) != len(spec.acquisitions):
        raise invalid_argument("acquisitions", ", ".join(spec.acquisitions), "each function once")
    if spec.embedding and not facts.embedding_dim:
        raise invalid_argument("embedding", True, "false for a classifier that gives no embedding")
    for name in spec.acquisitions:
        function = acquisition_function(name)
        if function.needs_targets:  # made of the passes, which whatever reads them needs too
            function = acquisition_function("bald")
        function.head(facts.classes, facts.passes, has_score=facts.has_score)


def target_inputs(pool: Pool, seed: int) -> Callable[[int], Float32]:
    """Return what draws model inputs of so many samples of a pool."""

    def draw(count: int) -> Float32:
        rows = np.flatnonzero(pool.alive())
        rng = np.random.default_rng(seed)
        return pool.inputs(rng.choice(rows, min(count, len(rows)), replace=False).astype(np.int64))

    return draw


def scorer_of(folder: JobFolder, engine: Engine) -> Scorer:
    """Compile a job's classifier; what its functions read of the pool is read once, and kept in the folder.

    Raises:
        DowserError: As ``compiled`` raises, and STORAGE_FULL.
    """
    record = folder.record
    conditions = folder.load_conditions(record.spec.acquisitions)
    scorer = compiled(
        engine.classifiers,
        record.spec.classifier_id,
        record.spec.acquisitions,
        targets=target_inputs(engine.pool(), seed=int(record.fingerprint[:8], 16)),
        conditions=conditions,
    )
    folder.save_conditions(conditions)
    return scorer


def score_chunk(pool: Pool, scorer: Scorer, spec: ScoreSpec, pool_ids: UInt64) -> Columns:
    """Score samples by their ids [n]; those removed from the pool are left out.

    Returns:
        Columns of equal length: pool_id, one for each acquisition function, predicted_class, and where asked for
        probabilities [n, C] and embedding [n, E].
    """
    rows = pool.rows_of(pool_ids)
    there = rows >= 0
    if not there.all():
        rows, pool_ids = rows[there], pool_ids[there]
    if not len(rows):
        return {}
    said = scorer.score_raw(pool.raw(rows), pool.preprocessing, embedding=spec.embedding)
    return columns_of(said, spec, pool_ids)


def score_shard(engine: Engine, scorer: Scorer, spec: ScoreSpec, pool_ids: UInt64) -> tuple[bytes, int]:
    """Score a whole shard at once; return its file's bytes and its rows."""
    pool = engine.pool()
    rows = chunk_rows(pool.input_shape)
    parts = [pool_ids[start : start + rows] for start in range(0, len(pool_ids), rows)]
    with ThreadPoolExecutor(engine.workers + 1) as feeders:
        chunks = list(feeders.map(lambda ids: score_chunk(pool, scorer, spec, ids), parts))
    facts = engine.classifiers.info(spec.classifier_id)
    data = to_parquet(chunks, spec, facts, pool=pool.name)
    return data, sum(len(chunk["pool_id"]) for chunk in chunks if chunk)


def columns_of(said: Scored, spec: ScoreSpec, pool_ids: UInt64) -> Columns:
    """Name what a classifier said of n samples."""
    columns: Columns = {"pool_id": np.asarray(pool_ids, np.uint64), spec.acquisitions[0]: said.scores}
    if said.further is not None:
        columns |= dict(zip(spec.acquisitions[1:], said.further.T, strict=True))
    columns["predicted_class"] = said.predicted.astype(np.uint32)
    if spec.probabilities:
        columns["probabilities"] = said.probabilities
    if spec.embedding and said.embedding is not None:
        columns["embedding"] = said.embedding
    return columns
