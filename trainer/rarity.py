"""How often each sample of the pool is drawn in training, so that a generator covers the classes that are rare.

A generator learns the pool's density and leaves out what is rare. The few labels say which classes are; the nearest
labeled samples i of a sample, at distances d_i in a PCA of the pool, say which class it may have:

    vote_c = sum_{i: y_i = c} d_i^-2 / sum_i d_i^-2,    w = sum_c vote_c ((mean + 1) / (count_c + 1))^exponent

with count_c = sum of vote_c over the pool, and mean their mean over classes. Batches are drawn in proportion to w.
The votes are counted, not the labels: once selection has found rare samples, labels are balanced where the pool is not
(digits with five classes thinned to 7 % of the pool, 25 of 85 labels theirs: exponent 1 draws them 21 to
32 % of the time, counted by labels 10 to 12 %).

Class-conditional generators take the class with the largest vote for true, and give each class c a mass of
n_c^(1 - exponent) for its n_c samples: equal masses at exponent 1, the pool's own at 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainer.data import TrainingData
from trainer.labels import Labels

NEIGHBORS = 5
_DIMS = 50
_FIT_ROWS = 20_000
_FIT_VALUES = 50_000_000  # float32 values of the fitted subset: 0.2 GB
_BLOCK_ROWS = 4096
_BLOCK_VALUES = 1 << 24  # distances and inputs held at once


@dataclass(frozen=True, kw_only=True)
class Rarity:
    """Weights of the pool's N samples.

    Attributes:
        weights: float64 [N], positive, with mean 1.
        classes: int64 [N] in 0…C-1, the class with the largest vote.
        class_names: C labels.
    """

    weights: NDArray[np.float64]
    classes: NDArray[np.int64]
    class_names: tuple[str, ...]

    @cached_property
    def _cumulative(self) -> NDArray[np.float64]:
        cumulative = np.cumsum(self.weights)
        shares: NDArray[np.float64] = cumulative / cumulative[-1]
        return shares

    def rows(self, uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return rows int64, drawn in proportion to the weights, of uniform draws from [0, 1) in the same shape."""
        rows = np.searchsorted(self._cumulative, uniform, side="right")
        return np.minimum(rows, len(self.weights) - 1).astype(np.int64)

    def subset(self, count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return rows int64 [n], ascending, and weights [n] that stand for the pool: all, or `count` draws merged."""
        if count >= len(self.weights):
            return np.arange(len(self.weights)), self.weights
        rows, times = np.unique(self.rows(rng.random(count)), return_counts=True)
        return rows, times / times.mean()


def measure_rarity(
    data: TrainingData, labels: Labels, *, exponent: float, conditional: bool = False, seed: int = 0
) -> Rarity:
    """Weight every sample of the pool; O(N L) time, memory bounded beside the result.

    Args:
        data: the pool.
        labels: of some of it.
        exponent: 0 draws uniformly, 1 undoes the imbalance.
        conditional: take the class with the largest vote for true, and weight whole classes.
        seed: of the samples the PCA is fitted on.
    """
    from sklearn.decomposition import PCA

    size = math.prod(data.input_shape)
    fitted = data.subset(min(_FIT_ROWS, max(1000, _FIT_VALUES // size)), np.random.default_rng(seed))
    dims = min(_DIMS, size, len(fitted) - 1)
    pca = PCA(dims, svd_solver="covariance_eigh" if size <= 1024 else "randomized", random_state=seed)
    pca.fit(_scaled(data, fitted))
    del fitted

    def project(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        projected: NDArray[np.float32] = pca.transform(_scaled(data, data.take(rows))).astype(np.float32)
        return projected  # [n, P]

    block = min(_BLOCK_ROWS, max(1, _BLOCK_VALUES // max(size, len(labels.rows))))
    labeled = np.concatenate(
        [project(labels.rows[i : i + block]) for i in range(0, len(labels.rows), block)]
    )  # [L, P]
    neighbors = min(NEIGHBORS, len(labeled))
    candidates = np.empty((len(data), neighbors), np.int32)  # classes of the nearest labeled samples
    votes = np.empty((len(data), neighbors), np.float32)
    for start in range(0, len(data), block):
        rows = np.arange(start, min(start + block, len(data)))
        nearest, votes[rows] = _nearest(project(rows), labeled, neighbors)
        candidates[rows] = labels.classes[nearest]
    class_count = len(labels.names)
    counts = np.bincount(candidates.ravel(), votes.ravel(), class_count)  # [C]
    rarity_of = ((counts.mean() + 1) / (counts + 1)) ** exponent
    weights = (votes * rarity_of[candidates]).sum(axis=1)
    classes = _leading(candidates, votes)
    if conditional:
        members = np.bincount(classes, minlength=class_count)
        masses = np.maximum(members, 1.0) ** (1 - exponent)  # [C]
        weights *= (masses / np.maximum(np.bincount(classes, weights, class_count), 1e-300))[classes]
    return Rarity(weights=weights / weights.mean(), classes=classes, class_names=labels.names)


def _nearest(
    features: NDArray[np.float32],  # [b, P]
    labeled: NDArray[np.float32],  # [L, P]
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest labeled samples [b, k] and their shares of the vote [b, k], 1 / squared distance each."""
    squares = (labeled**2).sum(axis=1)  # [L]
    distances = (features**2).sum(axis=1)[:, None] + squares - 2 * features @ labeled.T  # squared, [b, L]
    nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
    # A labeled sample is its own neighbor at distance 0, up to rounding: it votes for its label alone.
    floor = 1e-5 * max(float(squares.mean()), 1e-30)
    closeness = 1 / np.maximum(np.take_along_axis(distances, nearest, axis=1), floor).astype(np.float64)
    return nearest, closeness / closeness.sum(axis=1, keepdims=True)


def _leading(candidates: NDArray[np.int32], votes: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the class [N] with the largest sum of votes, of k candidate classes [N, k] that may repeat."""
    sums = np.zeros_like(votes)  # of each candidate's class over all k
    for other in range(votes.shape[1]):
        sums += np.where(candidates == candidates[:, other : other + 1], votes[:, other : other + 1], 0)
    best = sums.argmax(axis=1)[:, None]
    return np.take_along_axis(candidates, best, axis=1)[:, 0].astype(np.int64)


def _scaled(data: TrainingData, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x [n, F], standardized where each value has its own unit."""
    if len(data.input_shape) == 1:
        x = data.standardized(x)
    return x.reshape(len(x), -1)
