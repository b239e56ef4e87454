"""A mixture of low-rank Gaussians as a generator: no training, a pool is served within a minute.

Fit (closed form but for k-means): PCA of the pool to P <= 200 dimensions, k-means to K components in the first 50 of
them, then for each component its mean and the R leading directions of its covariance, shrunk towards the average
covariance. Samples may carry weights (`trainer.rarity`), and classes components of their own.

Sampling as a function of a latent z ~ N(0, I) of 1 + R dimensions:

    k = the bucket of z_0 between the quantiles of the components' weights (so P(k) = weight of k, exactly)
    x = clamp(mean + basis (m_k + L_k z_1..R))

The choice of k is hard, so its gradient is zero: an ascent in latent space moves a sample within its component, and
which component it explores is the random draw. A soft choice would let it drift between components, but through
averages of unlike samples that resemble neither. Components are numbered along a short tour through their means, so
that nearby z_0 give related components to searches without gradients.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.data import TrainingData
from trainer.errors import TrainerError
from trainer.rarity import Rarity

_FIT_ROWS = 50_000
_MAX_BASIS = 200
_CLUSTER_DIMS = 50  # the leading ones hold what tells clusters apart, at a quarter of k-means' cost
_TINY = 1e-30  # where all of a component's samples are the same
_FIT_VALUES = 400_000_000  # float32 values of the fitted subset: 1.6 GB


class GaussianMixture(nn.Module):
    """z [B, 1 + R] -> x [B, *sample_shape].

    Args:
        thresholds: [K - 1], ascending quantiles of N(0, 1) between the components.
        means: [K, P] in the basis.
        factors: [K, R, P] in the basis.
        basis: [P, F].
        center: [F].
        sample_shape: of x without the batch, product F.
        low: smallest value of x.
        high: largest value of x.
    """

    lower: Tensor
    upper: Tensor
    means: Tensor
    factors: Tensor
    basis: Tensor
    center: Tensor

    def __init__(
        self,
        thresholds: Tensor,
        means: Tensor,
        factors: Tensor,
        basis: Tensor,
        center: Tensor,
        sample_shape: tuple[int, ...],
        low: float,
        high: float,
    ) -> None:
        super().__init__()
        components, rank, dims = factors.shape
        endless = torch.tensor([1e30])  # finite, so that the graph holds no infinities
        self.register_buffer("lower", torch.cat([-endless, thresholds]))  # [K]
        self.register_buffer("upper", torch.cat([thresholds, endless]))  # [K]
        self.register_buffer("means", means)
        self.register_buffer("factors", factors.reshape(components * rank, dims))
        self.register_buffer("basis", basis)
        self.register_buffer("center", center)
        self.components = components
        self.rank = rank
        self.sample_shape = sample_shape
        self.low = low
        self.high = high

    def forward(self, z: Tensor) -> Tensor:
        """Return x [B, *sample_shape] of z [B, 1 + R]; O(B (K R P + P F))."""
        first = z[:, :1]
        choice = ((first >= self.lower) & (first < self.upper)).to(z.dtype)  # one-hot [B, K]
        spread = choice.unsqueeze(2) * z[:, 1:].unsqueeze(1)  # [B, K, R], zero but for the chosen component
        inner = choice @ self.means + spread.flatten(1) @ self.factors  # [B, P]
        x = torch.clamp(inner @ self.basis + self.center, self.low, self.high)
        return x.reshape(-1, *self.sample_shape)


def fit_gaussian_mixture(
    data: TrainingData,
    *,
    components: int,
    rank: int,
    seed: int,
    rarity: Rarity | None = None,
    conditional: bool = False,
) -> tuple[nn.Module, dict[str, float]]:
    """Fit the mixture to a random subset of the pool (at most 50,000 samples); 50,000 MNIST digits take seconds.

    Args:
        data: the pool.
        components: K, cut to a tenth of the samples.
        rank: R, cut to the dimension of the basis.
        seed: of the subset, the PCA and k-means.
        rarity: weights of the samples in k-means, moments and the components' weights; None weights all the same.
        conditional: fit components to each class by itself, as many as its share of the weights.

    Returns:
        The generator of 1 + `rank` latents (a cut rank leaves the surplus latents without effect), and metrics.

    Raises:
        TrainerError: if the pool has no variance.
    """
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed)
    size = math.prod(data.input_shape)
    limit = min(_FIT_ROWS, max(1000, _FIT_VALUES // size))
    if rarity is None:
        x = data.subset(limit, rng)
        weights, classes = np.ones(len(x)), np.zeros(len(x), np.int64)
    else:
        rows, weights = rarity.subset(limit, rng)
        x, classes = data.take(rows), rarity.classes[rows] if conditional else np.zeros(len(rows), np.int64)
    x = x.reshape(-1, size)  # [n, F]
    dims = min(_MAX_BASIS, size, len(x) - 1)
    pca = PCA(dims, svd_solver="covariance_eigh" if size <= 1024 else "randomized", random_state=seed)
    projected = pca.fit_transform(x)  # [n, P]
    if not projected.std() > 0:
        raise TrainerError("the samples do not vary; there is nothing to fit")
    labels = _clusters(projected[:, :_CLUSTER_DIMS], weights, classes, components, seed)
    components = int(labels.max()) + 1
    counts = np.bincount(labels, weights)  # [K]
    means = np.stack(
        [np.average(projected[labels == k], axis=0, weights=weights[labels == k]) for k in range(components)]
    )  # [K, P]
    pooled = np.cov((projected - means[labels]).T, bias=True, aweights=weights).reshape(dims, dims)
    kept_rank = min(rank, dims)
    factors = np.zeros((components, rank, dims), np.float32)
    for k in range(components):
        members = projected[labels == k] - means[k]
        # Shrinkage worth `kept_rank` samples: a component with few members leans on the average shape of all.
        weighted = members * weights[labels == k, None]
        covariance = (weighted.T @ members + kept_rank * pooled) / (counts[k] + kept_rank)
        values, vectors = np.linalg.eigh(covariance)  # ascending
        leading = vectors[:, -kept_rank:][:, ::-1] * np.sqrt(
            np.maximum(values[-kept_rank:][::-1], 0)
        )  # [P, R]
        factors[k, :kept_rank] = leading.T
    order = _tour(means)
    shares = np.cumsum(counts[order] / counts.sum())[:-1]
    thresholds = np.array([NormalDist().inv_cdf(share) for share in shares])
    generator = GaussianMixture(
        _tensor(thresholds),
        _tensor(means[order]),
        _tensor(factors[order]),
        _tensor(pca.components_),
        _tensor(pca.mean_),
        data.input_shape,
        data.input_min,
        data.input_max,
    )
    metrics = {
        "components": float(components),
        "basis_variance_share": float(pca.explained_variance_ratio_.sum()),
        "factor_variance_share": float(
            (factors**2).sum(axis=(1, 2)) @ counts / counts.sum() / max(np.trace(pooled), _TINY)
        ),
    }
    return generator.eval(), metrics


def _clusters(
    x: NDArray[np.float32],  # [n, P]
    weights: NDArray[np.float64],  # [n]
    classes: NDArray[np.int64],  # [n]
    components: int,
    seed: int,
) -> NDArray[np.int64]:
    """Return a cluster 0…K-1 of each sample by weighted k-means within each class, without empty ones.

    A class gets its share of `components` by weight: at least one, at most a tenth of its samples.
    """
    from sklearn.cluster import KMeans

    clusters = np.empty(len(x), np.int64)
    first = 0
    for one in np.unique(classes):
        rows = np.flatnonzero(classes == one)
        share = round(components * weights[rows].sum() / weights.sum())
        count = max(1, min(share, len(rows) // 10))
        fitted = KMeans(count, n_init=1, max_iter=50, random_state=seed)
        found = fitted.fit_predict(x[rows], sample_weight=weights[rows])
        clusters[rows] = first + found
        first += count
    return np.unique(clusters, return_inverse=True)[1].astype(np.int64)


def _tour(means: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return an order of the means [K, P] in which each is followed by its nearest not yet visited: O(K^2 P)."""
    left = list(range(1, len(means)))
    order = [0]
    while left:
        distances = ((means[left] - means[order[-1]]) ** 2).sum(axis=1)
        order.append(left.pop(int(distances.argmin())))
    return np.asarray(order)


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
