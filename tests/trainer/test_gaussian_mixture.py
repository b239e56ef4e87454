from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.data import TrainingData, open_training_data
from trainer.gaussian import GaussianMixture, fit_gaussian_mixture


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """3,000 vectors: three quarters around (0, 0, 0, 0), one quarter around (20, 0, 0, 20), both elongated."""
    path = tmp_path_factory.mktemp("data") / "pool.npy"
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 4)) * [1, 3, 0.5, 0.1]
    x[:750] += [20, 0, 0, 20]
    np.save(path, x.astype(np.float32))
    return open_training_data(path)


def sample(generator: torch.nn.Module, rank: int, count: int = 20_000) -> np.ndarray:
    z = torch.randn(count, 1 + rank, generator=torch.Generator().manual_seed(0))
    return generator(z).numpy()


def test_samples_have_the_pools_moments(clusters: TrainingData) -> None:
    generator, metrics = fit_gaussian_mixture(clusters, components=2, rank=4, seed=0)
    x = sample(generator, 4)
    pool = clusters.take(np.arange(3000))
    np.testing.assert_allclose(x.mean(axis=0), pool.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(np.cov(x.T), np.cov(pool.T), atol=2)
    assert metrics["components"] == 2 and metrics["factor_variance_share"] == pytest.approx(1, abs=0.01)


def test_each_component_is_drawn_as_often_as_its_weight(clusters: TrainingData) -> None:
    generator, _ = fit_gaussian_mixture(clusters, components=2, rank=2, seed=0)
    assert (sample(generator, 2)[:, 0] > 10).mean() == pytest.approx(0.25, abs=0.01)


def test_a_low_rank_keeps_the_leading_direction_only(clusters: TrainingData) -> None:
    generator, metrics = fit_gaussian_mixture(clusters, components=2, rank=1, seed=0)
    x = sample(generator, 1)
    near = x[x[:, 0] < 10]
    assert near[:, 1].std() == pytest.approx(3, rel=0.1)
    assert near[:, 0].std() < 0.2
    assert 0.5 < metrics["factor_variance_share"] < 0.95


def test_the_gradient_moves_a_sample_within_its_component(clusters: TrainingData) -> None:
    generator, _ = fit_gaussian_mixture(clusters, components=2, rank=3, seed=0)
    z = torch.randn(64, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(generator(z).square().sum(), z)
    assert (gradient[:, 0] == 0).all()
    assert (gradient[:, 1:].abs().sum(dim=1) > 0).all()


def test_samples_stay_within_the_pools_range(digits: Path) -> None:
    data = open_training_data(digits)
    generator, _ = fit_gaussian_mixture(data, components=20, rank=8, seed=0)
    x = sample(generator, 8, 500)
    assert x.shape == (500, 1, 8, 8)
    assert -1 <= x.min() < -0.99 and 0.9 < x.max() <= 1


def test_a_pool_of_two_vectors_alone_is_fitted(tmp_path: Path) -> None:
    np.save(tmp_path / "pool.npy", np.repeat(np.eye(2, dtype=np.float32), 20, axis=0))
    generator, metrics = fit_gaussian_mixture(
        open_training_data(tmp_path / "pool.npy"), components=2, rank=1, seed=0
    )
    assert np.isfinite(list(metrics.values())).all()
    x = generator(torch.tensor([[-1.0, 0.3], [1.0, 0.3]])).numpy()
    assert sorted(x.round(3).tolist()) == [[0, 1], [1, 0]]


def test_more_components_come_closer_to_the_pool(digits: Path) -> None:
    data = open_training_data(digits)
    pool = data.take(np.arange(len(data))).reshape(len(data), -1)

    def mean_gap(components: int) -> float:
        generator, _ = fit_gaussian_mixture(data, components=components, rank=4, seed=0)
        x = sample(generator, 4, 200).reshape(200, -1)
        return float(np.sqrt(((x[:, None] - pool[None]) ** 2).sum(axis=2)).min(axis=1).mean())

    assert mean_gap(40) < 0.9 * mean_gap(1)


def test_components_and_rank_are_cut_to_what_the_pool_allows(clusters: TrainingData) -> None:
    generator, metrics = fit_gaussian_mixture(clusters, components=100_000, rank=50, seed=0)
    assert metrics["components"] == 300
    assert sample(generator, 50, 10).shape == (10, 4)


def test_the_same_seed_gives_the_same_mixture(clusters: TrainingData) -> None:
    first, second = (fit_gaussian_mixture(clusters, components=5, rank=2, seed=3)[0] for _ in range(2))
    assert isinstance(first, GaussianMixture)
    np.testing.assert_array_equal(sample(first, 2, 50), sample(second, 2, 50))
