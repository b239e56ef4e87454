"""The pool as training data: opened, checked, measured once, then handed out in random batches of x."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples import Preprocessing, SampleSource, open_samples
from trainer.errors import TrainerError

MAX_CACHED_BYTES = 2 << 30
CHUNK_ROWS = 4096
MIN_SAMPLES = 16

# Pixels that hardly vary (an image's border) get this share of the mean deviation, so that 1 / std stays tame.
_MIN_RELATIVE_STD = 1e-2
_CONSTANT = 1e-5
_DIGEST_ROWS = 256


class _CachedSource(SampleSource):
    """A source read once into memory: decoding images or inflating per batch would set the training's pace."""

    def __init__(self, source: SampleSource) -> None:
        super().__init__(source.path, source.shape, source.dtype, source.pool_ids, source.labels)
        self._all: NDArray[np.uint8] | NDArray[np.float32] = np.empty(
            (len(source), *source.shape), source.dtype
        )
        for start in range(0, len(source), CHUNK_ROWS):
            self._all[start : start + CHUNK_ROWS] = source.read(start, start + CHUNK_ROWS)

    def __len__(self) -> int:
        return len(self._all)

    def _rows(self, rows: NDArray[np.int64]) -> NDArray[np.uint8] | NDArray[np.float32]:
        return self._all[rows]


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """A pool ready for training.

    Attributes:
        source: raw samples.
        preprocessing: raw -> x, the same the server will apply.
        input_min, input_max: range of x: (-1, 1) for images, the pool's own extremes for vectors.
        mean, std: float32 [*input_shape] of x; std is positive everywhere.
    """

    source: SampleSource
    preprocessing: Preprocessing
    input_min: float
    input_max: float
    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of x without the batch."""
        return self.preprocessing.input_shape

    def __len__(self) -> int:
        """N."""
        return len(self.source)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return x [len(rows), *input_shape]."""
        return self.preprocessing.to_input(self.source.take(rows))

    def standardized(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (x - mean) / std of x [n, *input_shape]."""
        scaled: NDArray[np.float32] = (x - self.mean) / self.std
        return scaled

    def digest(self) -> str:
        """Return what tells this pool from others, hex: its size, shape, type and some samples, evenly spread."""
        rows = np.linspace(0, len(self) - 1, min(len(self), _DIGEST_ROWS)).astype(np.int64)
        hashed = hashlib.sha256(repr((len(self), self.source.shape, str(self.source.dtype))).encode())
        hashed.update(np.ascontiguousarray(self.source.take(rows)).tobytes())
        return hashed.hexdigest()

    def subset(self, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return x of `count` samples (or all, if fewer) drawn without replacement, in pool order."""
        if count >= len(self):
            return self.take(np.arange(len(self)))
        return self.take(np.sort(rng.choice(len(self), size=count, replace=False)))


def open_training_data(path: Path, key: str | None = None, image_size: int | None = None) -> TrainingData:
    """Open a pool and measure it in one pass (memory: the pool if below 2 GiB, else one chunk of rows).

    Raises:
        samples.SampleError: if the file cannot be read as samples.
        TrainerError: if there are too few samples, or all are the same.
    """
    source = open_samples(path, key, image_size)
    if len(source) < MIN_SAMPLES:
        raise TrainerError(f"{path}: has {len(source)} samples, training needs at least {MIN_SAMPLES}")
    sample_bytes = int(np.prod(source.shape)) * source.dtype.itemsize
    if len(source) * sample_bytes <= MAX_CACHED_BYTES:
        source = _CachedSource(source)
    low, high, mean, std = _measure(source)
    if low == high:
        raise TrainerError(f"{path}: every value is {low:g}; there is nothing to learn")
    preprocessing = Preprocessing.infer(source.shape, source.dtype, (low, high))
    mean = preprocessing.to_input(mean[None])[0]
    deviation = preprocessing.to_input(np.stack([std, np.zeros_like(std)]))
    std = np.abs(deviation[0] - deviation[1])  # the offset cancels, the scale stays
    if preprocessing.layout == "vector":
        # Each value has its own unit: only what float32 cannot tell from a constant is held back.
        std = np.maximum(std, np.maximum(_CONSTANT * np.abs(mean), _CONSTANT * std.mean()))
    else:
        low, high = -1.0, 1.0
        std = np.maximum(std, _MIN_RELATIVE_STD * std.mean())
    return TrainingData(
        source=source,
        preprocessing=preprocessing,
        input_min=low,
        input_max=high,
        mean=mean,
        std=std.astype(np.float32),
    )


def _chunks(source: SampleSource) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(source), CHUNK_ROWS):
        yield source.read(start, start + CHUNK_ROWS).astype(np.float64)


def _measure(source: SampleSource) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Return smallest and largest raw value, mean and standard deviation [*shape] of each raw value."""
    low, high = np.inf, -np.inf
    count = 0
    mean = np.zeros(source.shape)
    squares = np.zeros(source.shape)  # sum of squared deviations from the running mean (Chan et al. 1983)
    for chunk in _chunks(source):
        low, high = min(low, float(chunk.min())), max(high, float(chunk.max()))
        delta = chunk.mean(axis=0) - mean
        total = count + len(chunk)
        squares += chunk.var(axis=0) * len(chunk) + delta**2 * count * len(chunk) / total
        mean += delta * len(chunk) / total
        count = total
    return low, high, mean, np.sqrt(squares / count)
