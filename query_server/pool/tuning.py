"""How good an index is, how many lists it must probe, and how many candidates it must rank.

What a round searches with are encoded synthetic samples, so those are what an index is tuned with. Where there is no
generator, held-out queries stand in: features of random pool rows moved by noise of the length of a typical
nearest-neighbor distance, shaped like the pool's own spread. They are nearer to the pool than a generator comes. Recall
counts a returned neighbor as found if it is no farther than the exact k-th one, so that ties do not punish (as in
ann-benchmarks).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from query_server.pool.arrays import Streamed
from query_server.pool.exact_many import exact_neighbors_of_many
from query_server.pool.index import FeatureIndex
from query_server.pool.recall import recall

Float32Array = npt.NDArray[np.float32]
Features = Float32Array | Streamed

K = 10
QUERIES = 512
_HELD_OUT_BESIDE = 256  # held-out queries where the index is tuned with others
_SPACING_ROWS = 64  # rows whose nearest neighbor is measured
_SPREAD_ROWS = 4096  # rows the pool's spread is measured on
_FACTORS = (1, 2, 4, 8, 16, 32, 64)
_UNRANKED_LISTS = 2  # times the lists that ranking needs are read at most to do without it
_NEAR_BEST = 0.005  # where nothing meets the target, so much below the best will do


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What an index shall do for a query, and the recall@10 it then has.

    Attributes:
        nprobe: Lists to probe; 0 for a flat index.
        refine_factor: Candidates to rank for each neighbor; 0 where the index holds the vectors themselves, or codes
            that come near enough.
        recall_at_10: On the queries it was tuned with.
        queries: How many those are.
        held_out_recall_at_10: On held-out queries.
    """

    nprobe: int
    refine_factor: int
    recall_at_10: float
    queries: int
    held_out_recall_at_10: float


def tune(
    index: FeatureIndex,
    features: Features,
    *,
    recall_target: float,
    threads: int,
    rng: np.random.Generator,
    queries: Float32Array | None = None,
) -> Tuning:
    """Find the fewest lists and candidates that meet a recall target. O(Q · N · D), for the exact neighbors.

    Lists are tuned first, with candidates in plenty and a target raised by a quarter of what it leaves, which is what
    ranking fewer of them may then lose; with the candidates found, lists that the raise added in vain go again. Codes
    that meet the target with up to twice as many lists are not ranked at all: lists are read in order, and features of
    candidates here and there in a file that may not be in memory.

    Args:
        index: Filled with the features; where it is compressed, it has them to rank by.
        features: float32 [N, D], may be mapped.
        recall_target: 0 to 1. If nothing meets it, the least that comes near the best is taken.
        threads: OpenMP threads.
        rng: Draws the held-out queries.
        queries: float32 [Q, D] like the real ones; None means to tune with held-out ones.
    """
    count = min(QUERIES if queries is None else _HELD_OUT_BESIDE, len(features))
    held_out = held_out_queries(features, count, threads=threads, rng=rng)
    given = held_out if queries is None else queries
    k = min(K, len(features))
    together = held_out if queries is None else np.concatenate([queries, held_out])
    _, exact_rows = exact_neighbors_of_many(together, features, k, threads=threads)

    def recall_of(of: Float32Array, exact: npt.NDArray[np.int64], nprobe: int, factor: int) -> float:
        _, rows = index.search(of, k, nprobe=nprobe, refine_factor=factor)
        return recall(of, features, rows, exact)

    def measured(nprobe: int, factor: int) -> float:
        return recall_of(given, exact_rows[: len(given)], nprobe, factor)

    factor = _FACTORS[-1] if index.compressed else 0
    nprobe = 0
    if index.nlist:
        raised = recall_target + (1 - recall_target) / 4 if index.compressed else recall_target
        nprobe = _fewest(lambda probes: measured(probes, factor), index.nlist, raised)
    if index.nlist and index.compressed:
        most = min(index.nlist, _UNRANKED_LISTS * nprobe)
        if measured(most, 0) >= recall_target:
            factor = 0
            nprobe = _fewest(lambda probes: measured(probes, 0), most, recall_target)
    if factor:
        best = measured(nprobe, factor)
        goal = recall_target if best >= recall_target else best - _NEAR_BEST
        factor = next(one for one in _FACTORS if one == factor or measured(nprobe, one) >= goal)
        if best >= recall_target and index.nlist:
            nprobe = _fewest(lambda probes: measured(probes, factor), nprobe, recall_target)
    return Tuning(
        nprobe=nprobe,
        refine_factor=factor,
        recall_at_10=measured(nprobe, factor),
        queries=len(given),
        held_out_recall_at_10=recall_of(held_out, exact_rows[-len(held_out) :], nprobe, factor),
    )


def _fewest(recall_with: Callable[[int], float], most: int, target: float) -> int:
    """Return the smallest number up to `most` whose recall meets the target, or comes near the best there is."""
    low, high = 0, 1  # recall at `low` misses the target, recall at `high` may meet it
    found = recall_with(high)
    while found < target and high < most:
        low, high = high, min(2 * high, most)
        found = recall_with(high)
    if found < target:
        low, target = 0, found - _NEAR_BEST
    while high - low > 1:
        middle = (low + high) // 2
        if recall_with(middle) >= target:
            high = middle
        else:
            low = middle
    return high


def held_out_queries(
    features: Features, count: int, *, threads: int, rng: np.random.Generator
) -> Float32Array:
    """Return float32 [count, D], random features moved by about a nearest-neighbor distance."""
    size = len(features)
    near = features[np.sort(rng.choice(size, min(_SPACING_ROWS, size), replace=False))]
    distances, _ = exact_neighbors_of_many(near, features, min(2, size), threads=threads)
    spacing = float(np.mean(distances[:, -1]))  # the first is the row itself
    spread = features[np.sort(rng.choice(size, min(_SPREAD_ROWS, size), replace=False))].std(axis=0)  # [D]
    noise = rng.standard_normal((count, features.shape[1]), dtype=np.float32) * spread
    lengths = np.linalg.norm(noise, axis=1, keepdims=True)
    noise *= spacing / np.maximum(lengths, np.finfo(np.float32).tiny)
    moved: Float32Array = features[np.sort(rng.choice(size, count, replace=False))] + noise
    return moved
