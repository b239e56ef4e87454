"""The first half of an index build: the pool's samples, features and ids on disk, resumable at any instant.

The files have their full size from the start and are written with plain writes, not through a map: a full
disk is then an error and not a SIGBUS. `progress.json` moves forward only when a chunk is on disk, so a build
that was killed goes on after the last durable chunk. It also holds the build's identity: another pool, bundle
or preprocessing starts over. What the pool's own file holds as it is may be a second name of that file, not a copy.
"""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.files import remove_unfinished, write_durably
from query_server.pool.manifest import FEATURES, POOL_IDS, SAMPLES
from samples.preprocess import Preprocessing
from samples.sources import SampleSource

_PROGRESS = "progress.json"
_LOCK = "lock"
_PROBED_ROWS = 64
_log = logging.getLogger(__name__)


@contextmanager
def partial_directory(out: Path) -> Iterator[Path]:
    """Make OUT.partial and hold it against a second build; the lock ends with the process, however it ends.

    Raises:
        DowserError: UNAVAILABLE if another build holds it.
    """
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    with (partial / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise errors.unavailable(
                f"{partial}: another build is writing this index; wait for it"
            ) from error
        yield partial


class PartialPool:
    """The arrays of an unfinished index.

    Attributes:
        rows_done: Rows that are durably written.
        seconds: Spent encoding so far, over all runs.
    """

    def __init__(
        self,
        directory: Path,
        *,
        source: SampleSource,
        preprocessing: Preprocessing,
        feature_dim: int,
        identity: Mapping[str, object],
        resume: bool,
        store_samples: bool,
        linked: str | None = None,
    ) -> None:
        """Open what an earlier run of the same build left, or start over.

        Args:
            directory: Of the unfinished index.
            source: The pool.
            preprocessing: From raw samples to model inputs.
            feature_dim: D.
            identity: What the build is of.
            resume: Whether to go on with what is there.
            store_samples: Whether the index holds the samples.
            linked: SAMPLES or FEATURES: the file that is the pool's own under a second name, and never written.

        Raises:
            DowserError: INVALID_ARGUMENT if the pool's file cannot be linked.
        """
        self._directory = directory
        self._identity = {**identity, "samples": store_samples, "content": _probe(source)}
        if linked is not None:
            self._identity["linked"] = linked
        self._linked = linked
        size = len(source)
        self._shapes: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
            FEATURES: ((size, feature_dim), np.dtype(np.float32)),
            POOL_IDS: ((size,), np.dtype(np.uint64)),
        }
        if store_samples:
            raw_dtype: np.dtype[Any] = np.dtype(preprocessing.raw_dtype)
            self._shapes[SAMPLES] = ((size, *preprocessing.raw_shape), raw_dtype)
        if linked is not None:
            _check_layout(source, *self._shapes[linked])
        self.rows_done, self.seconds = 0, 0.0
        if not (resume and self._load_progress()):
            self._start_over(source)

    def append(self, raw: npt.NDArray[Any], features: npt.NDArray[np.float32], *, started: float) -> None:
        """Write the next chunk, begun at `started` (time.perf_counter); on disk when this returns."""
        for name, values in ((SAMPLES, raw), (FEATURES, features)):
            if name in self._shapes and name != self._linked:
                self._write(name, self.rows_done, values)
        self.rows_done += len(raw)
        self.seconds += time.perf_counter() - started
        self._save_progress()

    def _start_over(self, source: SampleSource) -> None:
        (self._directory / _PROGRESS).unlink(missing_ok=True)  # first: it vouches for the rest
        for path in self._directory.iterdir():
            if path.name != _LOCK:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, (shape, dtype) in self._shapes.items():
            if name == self._linked:
                _link(source.path, self._directory / name)
                continue
            # Writes the header and reserves the size; the map itself is dropped at once.
            np.lib.format.open_memmap(self._directory / name, mode="w+", dtype=dtype, shape=shape)
        size = len(source)
        ids = np.arange(size, dtype=np.uint64) if source.pool_ids is None else source.pool_ids
        self._write(POOL_IDS, 0, ids)
        self._save_progress()

    def _write(self, name: str, row: int, values: npt.NDArray[Any]) -> None:
        shape, dtype = self._shapes[name]
        content = np.ascontiguousarray(values, dtype=dtype)
        path = self._directory / name
        row_bytes = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        header_bytes = path.stat().st_size - row_bytes * shape[0]
        with path.open("r+b") as file:
            file.seek(header_bytes + row * row_bytes)
            file.write(content.data)
            file.flush()
            os.fsync(file.fileno())

    def _load_progress(self) -> bool:
        path = self._directory / _PROGRESS
        try:
            progress = json.loads(path.read_text(encoding="utf-8"))
            identity, rows, seconds = progress["identity"], int(progress["rows_done"]), progress["seconds"]
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.warning("%s is not readable (%s); starting over", path, error)
            return False
        if identity != json.loads(json.dumps(self._identity)):
            _log.warning("%s is of a build with another pool, bundle or settings; starting over", path)
            return False
        if not all((self._directory / name).is_file() for name in self._shapes):
            _log.warning("%s: files of the interrupted build are missing; starting over", self._directory)
            return False
        self.rows_done, self.seconds = rows, float(seconds)
        return True

    def _save_progress(self) -> None:
        progress = {"identity": self._identity, "rows_done": self.rows_done, "seconds": self.seconds}
        write_durably(self._directory / _PROGRESS, json.dumps(progress).encode())


def remove_build_files(directory: Path) -> None:
    """Remove what belonged to the build only from a finished index."""
    for name in (_PROGRESS, _LOCK):
        (directory / name).unlink(missing_ok=True)
    remove_unfinished(directory)


def _check_layout(source: SampleSource, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse a pool file that is not, byte for byte, what an index keeps."""
    what = f"a .npy file of {dtype} {list(shape)} in C order, to be linked; build without a link"
    if source.path.suffix != ".npy":
        raise errors.invalid_argument("pool", str(source.path), what)
    array = np.load(source.path, mmap_mode="r", allow_pickle=False)
    if (array.shape, array.dtype) != (shape, dtype) or not array.flags.c_contiguous:
        raise errors.invalid_argument("pool", f"{source.path}, {array.dtype} {list(array.shape)}", what)


def _link(path: Path, name: Path) -> None:
    try:
        name.hardlink_to(path.resolve())
    except OSError as error:
        limit = f"on the index's file system, to be linked ({error.strerror}); build without a link"
        raise errors.invalid_argument("pool", str(path), limit) from error


def _probe(source: SampleSource) -> str:
    """Return a hash of the ids and of some samples, which tells two pools of one shape apart."""
    digest = hashlib.sha256()
    if source.pool_ids is not None:
        digest.update(np.ascontiguousarray(source.pool_ids).data)
    rows = np.unique(np.linspace(0, len(source) - 1, _PROBED_ROWS).astype(np.int64))
    digest.update(np.ascontiguousarray(source.take(rows)).data)
    return digest.hexdigest()
