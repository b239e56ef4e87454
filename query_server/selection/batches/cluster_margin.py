"""Cluster-Margin (Citovsky et al. 2021, *Batch Active Learning at Scale*, algorithm 2).

Of the candidates with the lowest margins, ten times the budget, clusters take turns in giving one, the smallest cluster
first: what the classifier finds hard, without a dense region filling the batch.

Deviations: the paper clusters the whole pool once, by average linkage up to a distance; a pool that is never touched as
a whole has no such clustering, so the low-margin candidates themselves are clustered, by average linkage too, into half
as many clusters as picks. A cluster gives its lowest margin, where the paper draws one at random.
"""

from __future__ import annotations

import numpy as np

from query_server.selection.batches.distances import Float64, centered, squared_distances
from query_server.selection.batches.rule import BatchRule, Shortlist
from query_server.selection.ports import Float32, Int64
from query_server.selection.values import BatchRuleName

_POOL_PER_PICK = 10
_MOST_CLUSTERED = 2000
_PICKS_PER_CLUSTER = 2


def choose_by_cluster_margin(
    shortlist: Shortlist, budget: int, coldness: float, rng: np.random.Generator
) -> Int64:
    """Cluster the low margins and let clusters take turns; O(P² · E) for P = min(10 B, 2000) candidates.

    A budget of 2000 and more is filled by the lowest margins alone.
    """
    count = min(budget, len(shortlist))
    by_margin = np.argsort(_margins(shortlist.probabilities), kind="stable")
    pool = by_margin[: min(_POOL_PER_PICK * count, _MOST_CLUSTERED)]
    if len(pool) <= count:
        return by_margin[:count]
    labels = average_linkage(shortlist.embedding[pool], -(-count // _PICKS_PER_CLUSTER))
    sizes = np.bincount(labels)
    # Turn of each candidate: how many of its cluster have a lower margin. The pool is in the order of margins.
    by_cluster = np.argsort(labels, kind="stable")
    turns = np.empty(len(pool), np.int64)
    turns[by_cluster] = np.arange(len(pool)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return pool[np.lexsort((np.arange(len(pool)), sizes[labels], turns))[:count]]


def _margins(probabilities: Float32) -> Float32:
    """Return the gap between the two largest probabilities [M] of [M, C]."""
    largest = np.partition(probabilities, -2, axis=1)[:, -2:]
    return largest[:, 1] - largest[:, 0]


def average_linkage(points: Float32, clusters: int) -> Int64:
    """Return cluster numbers int64 [n] of points [n, E] from agglomerative clustering with average linkage.

    By nearest-neighbor chains (Murtagh 1983): any two clusters that are each other's nearest may be merged at once,
    because average linkage never brings a merged cluster nearer to a third than both parts were. O(n² · E) time, O(n²)
    memory.

    Args:
        points: float32 [n, E].
        clusters: How many are left, 1 to n.
    """
    merges = sorted(_merges(_distances(points)), key=lambda merge: merge[0])
    roots = np.arange(len(points))
    for _, kept, gone in merges[: len(points) - clusters]:
        roots[roots == roots[gone]] = roots[kept]
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _distances(points: Float32) -> Float64:
    wide = centered(points)
    distances = np.empty((len(wide), len(wide)))
    for rows, squared in squared_distances(wide, wide):
        distances[rows] = np.sqrt(squared)
    np.fill_diagonal(distances, np.inf)
    return distances


def _merges(distances: Float64) -> list[tuple[float, int, int]]:
    """Return the n - 1 merges (distance, a point of one cluster, a point of the other); overwrites distances [n, n]."""
    size = len(distances)
    weights = np.ones(size)  # points in the cluster that each index stands for
    alive = np.ones(size, bool)
    chain: list[int] = []
    merges: list[tuple[float, int, int]] = []
    while len(merges) < size - 1:
        if not chain:
            chain.append(int(np.argmax(alive)))
        last = chain[-1]
        nearest = int(np.argmin(distances[last]))
        if len(chain) > 1 and distances[last, chain[-2]] <= distances[last, nearest]:
            nearest = chain[-2]  # among equals the one before, or chains would not end
        if len(chain) < 2 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        del chain[-2:]
        merges.append((float(distances[last, nearest]), nearest, last))
        total = weights[nearest] + weights[last]
        # Lance and Williams' update; the infinite entries, the diagonal and merged clusters, stay infinite.
        merged = (weights[nearest] * distances[nearest] + weights[last] * distances[last]) / total
        distances[nearest], distances[:, nearest] = merged, merged
        distances[last], distances[:, last] = np.inf, np.inf
        weights[nearest] = total
        alive[last] = False
    return merges


CLUSTER_MARGIN = BatchRule(
    name=BatchRuleName.CLUSTER_MARGIN, choose=choose_by_cluster_margin, needs_embedding=True
)
