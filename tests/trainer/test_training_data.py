from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samples import SampleError
from trainer import TrainerError
from trainer.data import open_training_data


def test_images_are_handed_out_between_minus_one_and_one(digits: Path) -> None:
    data = open_training_data(digits)
    x = data.take(np.array([3, 0, 3]))
    assert (x.shape, x.dtype) == ((3, 1, 8, 8), np.float32)
    assert (x[0] == x[2]).all() and x.min() == -1
    assert (data.input_min, data.input_max) == (-1, 1)


def test_statistics_are_those_of_the_inputs(digits: Path, vectors: Path) -> None:
    for path in (digits, vectors):
        data = open_training_data(path)
        x = data.take(np.arange(len(data)))
        np.testing.assert_allclose(data.mean, x.mean(axis=0), atol=1e-3, rtol=1e-4)
        varying = x.std(axis=0) > 0.1
        np.testing.assert_allclose(data.std[varying], x.std(axis=0)[varying], rtol=1e-3)
        assert data.std.min() > 0


def test_a_constant_value_beside_large_ones_is_harmless(tmp_path: Path) -> None:
    features = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32) * [1e3, 1e-2, 0] + [
        0,
        0,
        123.456,
    ]
    np.save(tmp_path / "pool.npy", features.astype(np.float32))
    data = open_training_data(tmp_path / "pool.npy")
    u = (data.take(np.arange(50)) - data.mean) / data.std
    assert np.abs(u[:, 2]).max() < 0.1
    np.testing.assert_allclose(u[:, :2].std(axis=0), [1, 1], rtol=0.02)


def test_vectors_keep_their_scale_and_tell_their_range(vectors: Path) -> None:
    data = open_training_data(vectors)
    raw = np.load(vectors)
    np.testing.assert_array_equal(data.take(np.arange(600)), raw)
    assert (data.input_min, data.input_max) == (raw.min(), raw.max())


def test_a_subset_is_drawn_without_replacement(vectors: Path) -> None:
    data = open_training_data(vectors)
    subset = data.subset(100, np.random.default_rng(0))
    assert len(np.unique(subset, axis=0)) == 100
    assert len(data.subset(10_000, np.random.default_rng(0))) == 600


def test_a_folder_of_images_is_training_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(16):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(tmp_path / f"{i:02d}.png")
    assert open_training_data(tmp_path, image_size=8).input_shape == (3, 8, 8)


def test_a_pool_with_nothing_to_learn_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "few.npy", np.eye(15))
    with pytest.raises(TrainerError, match="at least 16"):
        open_training_data(tmp_path / "few.npy")
    np.save(tmp_path / "same.npy", np.full((20, 8, 8), 7, np.uint8))
    with pytest.raises(TrainerError, match="every value is 7"):
        open_training_data(tmp_path / "same.npy")
    np.save(tmp_path / "nan.npy", np.full((20, 5), np.nan))
    with pytest.raises(SampleError, match="row 0 has NaN"):
        open_training_data(tmp_path / "nan.npy")
