"""Raw samples of every size: MNIST grown once, to the largest size that keeps samples; the others are its beginning."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.common.distortion import grow
from benchmarks.common.pools import POOL_SIZE
from benchmarks.common.results import UnitStore, read_json
from benchmarks.datasets import load_dataset
from benchmarks.scale.sizes import Size

_COPIED_ROWS = 100_000
_LEAST_COPIES = 4  # of every image, in a small pool


class GrownPool:
    """MNIST's training images and what they are grown to.

    Args:
        folder: Of the grown samples.
        count: How many there shall be at least.

    Attributes:
        images: The originals uint8 [O, 28, 28].
        labels: Theirs int64 [O].
        path: The samples uint8 [>= count, 28, 28], once they are grown.
        count: As given.
    """

    def __init__(self, folder: Path, count: int) -> None:
        arrays = load_dataset("mnist")
        originals = POOL_SIZE if count >= 2 * POOL_SIZE else max(1, count // _LEAST_COPIES)
        self.images: NDArray[np.uint8] = arrays["x_train"][:originals]
        self.labels: NDArray[np.int64] = arrays["y_train"][:originals].astype(np.int64)
        self._folder = folder
        self.path = folder / "x.npy"
        self.count = count

    def grow(self, store: UnitStore, threads: int) -> dict[str, float]:
        """Grow the samples where they are not yet; return how many and the seconds it took, as far as known."""
        if (done := store.load("grow")) is not None and self._is_whole(self.count):
            return done
        if self._is_whole(self.count):  # by an earlier run with larger sizes
            return {}
        torch.set_num_threads(threads)
        progress = self._folder / "progress.json"
        fresh = not progress.exists()
        if not fresh and read_json(progress)["parameters"]["size"] != self.count:
            self.path.unlink(missing_ok=True)  # it may be linked into an index: it is not to be written to
        started = time.perf_counter()
        grow(self.images, self.labels, self.count, self._folder)
        torch.set_num_threads(1)
        result = {"samples": self.count, "seconds": time.perf_counter() - started} if fresh else {}
        store.save("grow", result)
        return result

    def labels_of(self, pool_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the classes of samples, which are those of the images they were made from."""
        return self.labels[self.originals_of(pool_ids)]

    def originals_of(self, pool_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the row of the image that each sample was made from."""
        return (pool_ids % np.uint64(len(self.images))).astype(np.int64)

    def file_of(self, size: Size, folder: Path) -> Path:
        """Return a file of the first samples, on the same file system; that of the largest size is the grown one."""
        samples = np.load(self.path, mmap_mode="r")
        if len(samples) == size.count:
            return self.path
        path = folder / "x.npy"
        shape = (size.count, *samples.shape[1:])
        if path.exists() and np.load(path, mmap_mode="r").shape == shape:
            return path
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / ".x.npy"
        copy = np.lib.format.open_memmap(beside, "w+", dtype=samples.dtype, shape=shape)
        for start in range(0, size.count, _COPIED_ROWS):
            copy[start : start + _COPIED_ROWS] = samples[start : min(start + _COPIED_ROWS, size.count)]
        copy.flush()
        del copy
        beside.replace(path)
        return path

    def _is_whole(self, count: int) -> bool:
        progress = self._folder / "progress.json"
        if not progress.exists() or not self.path.exists():
            return False
        done = read_json(progress)
        parameters = done["parameters"]
        whole: bool = done["chunks"] * parameters["chunk"] >= parameters["size"] >= count
        return whole and parameters["originals"] == len(self.images)
