"""Where samples come from once a file is open: rows of one array, or images decoded on demand.

Both kinds promise the same: a fixed shape, uint8 or float32, finite values, and memory bounded by what is
asked for (memory-mapped files and folders of images never load as a whole).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.errors import SampleError
from samples.mapped import forget_pages

MIN_IMAGE_SIZE = 8  # px
MAX_IMAGE_SIZE = 64  # px
CHANNELS = (1, 3)

Samples = NDArray[np.uint8] | NDArray[np.float32]
Rows = Sequence[int] | NDArray[np.integer]


class SampleSource(ABC):
    """N samples of one shape.

    Attributes:
        path: the file or folder they come from.
        shape: of one sample, without N: (H, W), (H, W, C), (C, H, W) or (F,).
        dtype: uint8 or float32, of what `read` and `take` return.
        pool_ids: uint64 [N], stable names of the samples where the file has them, else None.
        labels: [N], true labels where the file has them, else None. Training never reads them.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype,
        pool_ids: NDArray[np.uint64] | None = None,
        labels: NDArray[np.generic] | None = None,
    ) -> None:
        self.path = path
        self.shape = shape
        self.dtype = dtype
        self.pool_ids = pool_ids
        self.labels = labels

    @abstractmethod
    def __len__(self) -> int:
        """N."""

    @abstractmethod
    def _rows(self, rows: NDArray[np.int64]) -> Samples:
        """Return the samples of valid row numbers, [len(rows), *shape]."""

    def read(self, start: int, stop: int) -> Samples:
        """Return rows start..stop-1, [stop - start, *shape], in memory; `stop` is cut at N like a slice."""
        if start < 0 or stop < start:
            raise SampleError(
                f"{self.path}: rows {start}:{stop} are not a forward range within 0:{len(self)}"
            )
        stop = min(stop, len(self))
        return self._finite(self._span(min(start, stop), stop), start)

    def take(self, rows: Rows) -> Samples:
        """Return the given rows in the given order, [len(rows), *shape], in memory."""
        index = np.asarray(rows, dtype=np.int64)
        if index.ndim != 1:
            raise SampleError(f"{self.path}: rows must be one-dimensional, got shape {index.shape}")
        if index.size and (index.min() < 0 or index.max() >= len(self)):
            raise SampleError(
                f"{self.path}: row numbers must lie in 0:{len(self)}, got {index.min()}..{index.max()}"
            )
        return self._finite(self._rows(index), None)

    def _span(self, start: int, stop: int) -> Samples:
        return self._rows(np.arange(start, stop, dtype=np.int64))

    def _finite(self, samples: Samples, start: int | None) -> Samples:
        if self.dtype == np.uint8 or np.isfinite(samples).all():
            return samples
        bad = int(np.flatnonzero(~np.isfinite(samples).reshape(len(samples), -1).all(axis=1))[0])
        where = f"row {start + bad}" if start is not None else f"sample {bad} of those asked for"
        raise SampleError(f"{self.path}: {where} has NaN or infinite values; remove or repair such samples")


class ArraySource(SampleSource):
    """Rows of one array, in memory or memory-mapped; other floats are read as float32."""

    def __init__(
        self,
        path: Path,
        array: NDArray[np.generic],
        pool_ids: NDArray[np.uint64] | None = None,
        labels: NDArray[np.generic] | None = None,
    ) -> None:
        if array.ndim == 0 or len(array) == 0:
            raise SampleError(f"{path}: holds no samples (shape {array.shape})")
        check_shape(path, array.shape[1:])
        super().__init__(path, array.shape[1:], sample_dtype(path, array.dtype), pool_ids, labels)
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def _rows(self, rows: NDArray[np.int64]) -> Samples:
        return np.asarray(self._array[rows]).astype(self.dtype, copy=False)

    def _span(self, start: int, stop: int) -> Samples:
        samples = np.array(self._array[start:stop], dtype=self.dtype)
        forget_pages(self._array)
        return samples


class ImageFolderSource(SampleSource):
    """Images decoded when asked for; the first one sets the size and the channels of all."""

    def __init__(
        self, path: Path, files: Sequence[Path], decode: Callable[[Path], NDArray[np.uint8]]
    ) -> None:
        first = decode(files[0])
        check_shape(files[0], first.shape)
        super().__init__(path, first.shape, np.dtype(np.uint8))
        self.files = tuple(files)
        self._decode = decode

    def __len__(self) -> int:
        return len(self.files)

    def _rows(self, rows: NDArray[np.int64]) -> Samples:
        samples = np.empty((len(rows), *self.shape), np.uint8)
        for i, row in enumerate(rows):
            image = self._decode(self.files[row])
            if image.shape != self.shape:
                raise SampleError(
                    f"{self.files[row]}: is {image.shape}, but the first image, {self.files[0].name}, is "
                    f"{self.shape}; all must agree in size and channels (size= resizes them on reading)"
                )
            samples[i] = image
        return samples


def check_shape(path: Path, shape: tuple[int, ...]) -> None:
    """Raise SampleError unless `shape` (of one sample) is a vector's or an image's of 8 to 64 px."""
    if 0 in shape:
        raise SampleError(f"{path}: samples of shape {shape} are empty")
    if len(shape) == 1:
        return
    if len(shape) == 2:
        sides = shape
    elif len(shape) == 3 and shape[-1] in CHANNELS:
        sides = shape[:2]
    elif len(shape) == 3 and shape[0] in CHANNELS:
        sides = shape[1:]
    else:
        raise SampleError(
            f"{path}: samples of shape {shape} are neither images [H, W], [H, W, C], [C, H, W] with 1 or 3 "
            "channels nor vectors [F]; the array's first axis must be N"
        )
    if min(sides) < MIN_IMAGE_SIZE or max(sides) > MAX_IMAGE_SIZE:
        raise SampleError(
            f"{path}: images must be {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE} px on each side, "
            f"got {sides[0]}x{sides[1]}; resize them (size= for a folder of images), or pass a feature matrix [N, F]"
        )


def sample_dtype(path: Path, dtype: np.dtype) -> np.dtype:
    """Return uint8 or float32, as samples of `dtype` are read; raise SampleError for any other kind."""
    if dtype == np.uint8:
        return np.dtype(np.uint8)
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return np.dtype(np.float32)
    raise SampleError(f"{path}: dtype {dtype} is not supported; convert to uint8 (0-255) or float32")
