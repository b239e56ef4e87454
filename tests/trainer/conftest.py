from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

import trainer
from trainer import TrainConfig


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Two threads that wait for each other on shared cores are several times slower than one."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,797 digits of 8x8 px, uint8."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    images, labels = load_digits(return_X_y=True)
    np.savez(path, x=(images.reshape(-1, 8, 8) * 15.9).astype(np.uint8), y=labels)
    return path


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 feature vectors of 6 values on very different scales, float32."""
    path = tmp_path_factory.mktemp("data") / "vectors.npy"
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(600, 2)) + 4 * rng.integers(0, 2, (600, 1))
    x = hidden @ rng.normal(size=(2, 6)) * [1, 10, 100, 0.1, 1, 1] + [0, 5, -300, 0, 2, 7]
    np.save(path, x.astype(np.float32))
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrainConfig]:
    """Make the settings of a run that takes about a second, in a fresh folder."""

    def make(data: Path, **settings: object) -> TrainConfig:
        folder = tmp_path_factory.mktemp("run")
        small: dict[str, object] = {
            "iterations": 6,
            "batch_size": 16,
            "width": 8,
            "latent_dim": 12,
            "log_every": 2,
        }
        small |= {"autoencoder_iterations": 5, "components": 10, "precision": "float32"}
        return TrainConfig(data=data, **{"out": folder / "bundle", **small, **settings})

    return make


@pytest.fixture(scope="session")
def bundle_of(
    digits: Path, vectors: Path, tiny: Callable[..., TrainConfig], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, str], Path]:
    """Give the bundle of (pool, generator, features); each generator is trained once, other features are exported."""
    pools = {"digits": digits, "vectors": vectors}
    runs: dict[tuple[str, str], TrainConfig] = {}
    bundles: dict[tuple[str, str, str], Path] = {}

    def give(pool: str, generator: str, features: str) -> Path:
        key = (pool, generator, features)
        if key not in bundles:
            if key[:2] not in runs:
                config = tiny(pools[pool], generator=generator, features=features)
                bundles[key] = trainer.train(config, show_progress=False)
                runs[key[:2]] = config
            else:
                out = tmp_path_factory.mktemp("export") / "bundle"
                bundles[key] = trainer.export(runs[key[:2]].run_folder, features, out, show_progress=False)
        return bundles[key]

    return give
