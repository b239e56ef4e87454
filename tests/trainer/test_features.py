from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from trainer import TrainConfig, TrainerError
from trainer.data import open_training_data
from trainer.features import autoencoder_features, fit_encoder
from trainer.runs import RunFolder

Tiny = Callable[..., TrainConfig]


@pytest.fixture
def run(digits: Path, tiny: Tiny) -> RunFolder:
    config = tiny(digits).resolved()
    folder = RunFolder(config.run_folder)
    folder.start(config)
    return folder


def test_pixel_features_are_the_pca_of_the_pool(digits: Path) -> None:
    data = open_training_data(digits)
    encoder, metrics = fit_encoder(nn.Flatten(), data, feature_dim=10, seed=0)
    x = data.take(np.arange(len(data)))
    pca = PCA(10, svd_solver="full").fit(x.reshape(len(x), -1))
    wanted = pca.transform(x.reshape(len(x), -1))
    np.testing.assert_allclose(np.abs(encoder(torch.from_numpy(x)).numpy()), np.abs(wanted), atol=1e-3)
    assert metrics["feature_variance_share"] == pytest.approx(pca.explained_variance_ratio_.sum(), rel=1e-4)


def test_with_all_dimensions_distances_are_kept(vectors: Path) -> None:
    data = open_training_data(vectors)
    encoder, _ = fit_encoder(nn.Flatten(), data, feature_dim=50, seed=0)
    x = data.take(np.arange(20))
    features = encoder(torch.from_numpy(x)).numpy()
    assert features.shape == (20, 6)
    np.testing.assert_allclose(
        np.linalg.norm(features - features[0], axis=1), np.linalg.norm(x - x[0], axis=1), rtol=1e-4, atol=1e-3
    )


def test_features_that_do_not_vary_are_refused(digits: Path) -> None:
    dead = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    nn.init.zeros_(dead[1].weight)
    with pytest.raises(TrainerError, match="do not vary"):
        fit_encoder(dead.requires_grad_(False), open_training_data(digits), feature_dim=3, seed=0)


def test_the_autoencoder_learns_and_is_kept_by_the_run(digits: Path, run: RunFolder) -> None:
    data = open_training_data(digits)
    _, short = autoencoder_features(data, run, iterations=5, seed=0, show_progress=False)
    base, long = autoencoder_features(data, run, iterations=150, seed=0, show_progress=False)
    assert long["autoencoder_loss"] < 0.6 * short["autoencoder_loss"]
    written = (run.path / "autoencoder.pt").stat().st_mtime_ns
    again, kept = autoencoder_features(data, run, iterations=150, seed=0, show_progress=False)
    assert (run.path / "autoencoder.pt").stat().st_mtime_ns == written
    assert kept == long
    x = torch.from_numpy(data.take(np.arange(4)))
    assert torch.equal(base(x), again(x))


def test_an_autoencoder_of_another_pool_is_not_taken(digits: Path, tmp_path: Path, run: RunFolder) -> None:
    images = np.load(digits)["x"]
    np.save(tmp_path / "turned.npy", images[:, ::-1])
    np.save(tmp_path / "moved.npy", images)

    def loss(pool: Path) -> float:
        data = open_training_data(pool)
        return autoencoder_features(data, run, iterations=3, seed=0, show_progress=False)[1][
            "autoencoder_loss"
        ]

    first = loss(digits)
    assert loss(tmp_path / "turned.npy") != first
    assert loss(tmp_path / "moved.npy") == loss(digits) == first


def test_the_vector_autoencoder_takes_values_on_the_pools_scale(vectors: Path, run: RunFolder) -> None:
    base, metrics = autoencoder_features(
        open_training_data(vectors), run, iterations=200, seed=0, show_progress=False
    )
    assert metrics["autoencoder_loss"] < 0.2  # of a variance of 1
    codes = base(torch.from_numpy(np.load(vectors)))
    assert codes.shape == (600, 3)
    assert codes.abs().max() < 50  # raw values reach several hundred
