from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.common import distortion
from benchmarks.common.distortion import distort, grow


@pytest.fixture
def images() -> np.ndarray:
    from sklearn.datasets import load_digits

    small = np.rint(load_digits().images[:40] * (255 / 16)).astype(np.uint8)
    return np.pad(small.repeat(3, 1).repeat(3, 2), ((0, 0), (2, 2), (2, 2)))  # [40, 28, 28]


def test_a_distorted_image_differs_from_its_original_and_is_nearest_to_it(images: np.ndarray) -> None:
    made = distort(images, np.random.default_rng(0))
    assert made.shape == images.shape and made.dtype == np.uint8
    flat, originals = made.reshape(40, -1).astype(float), images.reshape(40, -1).astype(float)
    distances = ((flat[:, None] - originals[None]) ** 2).sum(2)
    assert (distances.argmin(1) == np.arange(40)).mean() > 0.7
    assert (np.diag(distances) > 0).all()


def test_a_grown_pool_holds_the_originals_and_says_what_each_image_was_made_from(
    images: np.ndarray, tmp_path: Path
) -> None:
    y = np.arange(40) % 10
    x, grown_y, original = grow(images, y, 130, tmp_path)
    assert np.array_equal(x[:40], images)
    assert np.array_equal(grown_y, y[original])
    assert np.bincount(original).tolist() == [4] * 10 + [3] * 30
    assert len(np.unique(x.reshape(130, -1), axis=0)) == 130


def test_growing_that_was_interrupted_goes_on_to_the_same_pool(
    images: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distortion, "CHUNK", 50)
    y = np.arange(40) % 10
    whole = np.array(grow(images, y, 130, tmp_path / "whole")[0])
    real = distortion.distort
    calls = []

    def stops_at_the_second(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        calls.append(len(images))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(images, rng)

    monkeypatch.setattr(distortion, "distort", stops_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        grow(images, y, 130, tmp_path / "halted")
    assert np.array_equal(grow(images, y, 130, tmp_path / "halted")[0], whole)
    assert calls == [50, 50, 50, 30]  # the first chunk was not made again
