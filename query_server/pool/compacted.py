"""What a compaction left: an index of the server's own that stands for the one configured.

It lies beside the journal, which names it. Samples that were added and taken into it have no other copy, so it is kept
until the next takes its place, also while an operator serves another index: what that lacks goes back to the journal
from here.
"""

import hashlib
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pyroaring import BitMap64

from dowser.v1 import index_pb2
from query_server.files import refusing_failed_writes, sync
from query_server.pool.arrays import map_array
from query_server.pool.ids import PoolIds
from query_server.pool.manifest import FEATURES, POOL_IDS, SAMPLES, read_manifest
from samples.preprocess import Preprocessing

BUILDING = ".compacting"
_DROPPED = ".dropped-"
_FOLDER = "index-"


def identity_of(manifest: index_pb2.IndexManifest) -> str:
    """Return what identifies an index, wherever it lies."""
    return hashlib.sha256(manifest.SerializeToString(deterministic=True)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """The newest compaction of a pool.

    Attributes:
        folder: Name of its directory, beside the journal.
        identity: Of its manifest.
        source: Identity of the configured index it stands for.
        encoder: Identifies the encoder of its features.
        folded: Ids of samples that were added and are in it, not in the journal.
        retired: Ids that were removed and are in no file any more; none is ever used again.
    """

    folder: str
    identity: str
    source: str
    encoder: str
    folded: BitMap64
    retired: BitMap64


@dataclass(frozen=True, kw_only=True)
class StoredRows:
    """The rows of an index directory, without its index.

    Attributes:
        features: float32 [N, D].
        samples: [N, *raw_shape], None where they are not kept.
        ids: Of the rows.
    """

    features: npt.NDArray[np.float32]
    samples: npt.NDArray[Any] | None
    ids: PoolIds

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Map them.

        Raises:
            DowserError: CORRUPT_FILE.
        """
        manifest = read_manifest(directory)
        size = int(manifest.size)
        preprocessing = Preprocessing.from_proto(manifest.preprocessing)
        shape, dtype = (size, *preprocessing.raw_shape), np.dtype(preprocessing.raw_dtype)
        return cls(
            features=map_array(directory / FEATURES, (size, int(manifest.feature_dim)), np.float32),
            samples=None if manifest.without_samples else map_array(directory / SAMPLES, shape, dtype),
            ids=PoolIds(map_array(directory / POOL_IDS, (size,), np.uint64)),
        )


@dataclass(frozen=True)
class CompactedFolders:
    """The directories of compacted indexes beside a journal. Thread-safe."""

    directory: Path
    _held: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def held(self, folder: str | None) -> Iterator[None]:
        """Keep a directory, or none, until the block ends."""
        with self._lock:
            self._held[folder or ""] += 1
        try:
            yield
        finally:
            with self._lock:
                self._held[folder or ""] -= 1

    def drop_all_but(self, folder: str | None) -> None:
        """Make every other directory nameless that nobody holds; `remove_dropped` then gives its space back."""
        with self._lock:
            for path in self.directory.glob(f"{_FOLDER}*"):
                if path.name != folder and not self._held[path.name]:
                    path.rename(path.with_name(f"{_DROPPED}{secrets.token_hex(4)}"))

    def remove_dropped(self) -> None:
        """Remove what was dropped; what is mapped of it stays readable."""
        for path in self.directory.glob(f"{_DROPPED}*"):
            shutil.rmtree(path, ignore_errors=True)

    def copy_to(self, folder: str, directory: Path) -> None:
        """Copy a directory that is held into another one, durably: by links, where the file system has them.

        Raises:
            DowserError: STORAGE_FULL.
        """
        copy = directory / folder
        with refusing_failed_writes(str(copy)):
            copy.mkdir(parents=True)
            for path in (self.directory / folder).iterdir():
                try:
                    os.link(path, copy / path.name)
                except OSError:
                    shutil.copyfile(path, copy / path.name)
                    sync(copy / path.name)
            sync(copy)

    def remove_unfinished(self) -> None:
        """Remove what a compaction that did not end left."""
        shutil.rmtree(self.directory / BUILDING, ignore_errors=True)

    @staticmethod
    def name_of(index_version: int) -> str:
        """Return the name of the directory that holds what was alive in a version."""
        return f"{_FOLDER}{index_version}"

    def publish(self, folder: str) -> Path:
        """Give what was built its name; on disk when this returns."""
        path = self.directory / folder
        sync(self.directory / BUILDING)
        shutil.rmtree(path, ignore_errors=True)  # of an attempt that was not taken over
        (self.directory / BUILDING).rename(path)
        sync(self.directory)
        return path
