"""The second half of an index build: the FAISS index trained, filled and written, resumable at any instant.

Training is kept once it is done. Vectors are then added in blocks, each a file of its own, so that memory holds one
block and a killed build goes on after the last one; at the end the blocks are merged. Whatever stands under its name in
the directory is whole: files are written beside and renamed. `index.json` says which plan they are of; another starts
over.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.files import sync, write_durably
from query_server.pool.arrays import Streamed
from query_server.pool.blocks import (
    GRAPH_EFFORT,
    GRAPH_LISTS,
    TRAINED,
    FillBlocks,
    Span,
    add_rows,
    block_rows,
)
from query_server.pool.factory import first_line, inverted_lists, make_index
from query_server.pool.lists import can_be_merged, merge_blocks
from query_server.pool.manifest import INDEX

Float32Array = npt.NDArray[np.float32]

_STAGE, _WRITING = "index.json", "index.writing"
_TRAINING_ROWS_PER_LIST = 48  # FAISS warns below 39
# 10 rounds over 48 rows a list: recall@10 0.958 where 25 over 64 had 0.960 (1M vectors, 12 of 4096 lists).
_KMEANS_ROUNDS = 10
_MIN_TRAINING_ROWS = 4096
_READ_ROWS = 65_536
_SEED = 0  # of the training rows: one pool gives one index


class PartialIndex:
    """The FAISS index of an unfinished index directory.

    Attributes:
        seconds: Spent training, adding and, where there are blocks, merging them so far, over all runs.
    """

    def __init__(
        self,
        directory: Path,
        *,
        factory: str,
        features: Streamed,
        threads: int,
        progress: bool,
        fill: FillBlocks | None = None,
    ) -> None:
        """Take over what an earlier run with the same factory and FAISS left, and remove the rest.

        Args:
            directory: Where features.npy is complete.
            factory: The FAISS factory string.
            features: float32 [N, D].
            threads: OpenMP threads.
            progress: Show progress bars.
            fill: Fills blocks elsewhere; None fills them here.
        """
        self._directory = directory
        self._factory = factory
        self._features = features
        self._threads = threads
        self._progress = progress
        self._fill = fill
        plan = f"{factory} {faiss.__version__} {_KMEANS_ROUNDS} {_TRAINING_ROWS_PER_LIST} {_SEED}"
        self._plan = hashlib.sha256(plan.encode()).hexdigest()
        self.seconds = {"train": 0.0, "add": 0.0}
        self._lap_started = 0.0
        stage = _read_stage(directory / _STAGE)
        if stage.get("plan") == self._plan:
            self.seconds |= stage["seconds"]
        else:
            remove_index_files(directory)
            (directory / INDEX).unlink(missing_ok=True)
            self._save_stage()

    def finish(self) -> Path:
        """Train, add and write what is not yet; return the index file, on disk.

        Raises:
            DowserError: INVALID_ARGUMENT if these vectors cannot train such an index.
        """
        path = self._directory / INDEX
        if not path.exists():
            faiss.omp_set_num_threads(self._threads)
            self._lap_started = time.perf_counter()
            index = self._trained()
            self._lap("train")
            if can_be_merged(index):
                self._merge(index, self._filled_blocks(index), path)
                self._lap("merge")
            else:
                self._add(index, (0, len(self._features)))
                self._write(index, path)
                self._lap("add")
        for block in self._blocks():
            block.unlink()
        return path

    def _trained(self) -> faiss.Index:
        path = self._directory / TRAINED
        if path.exists():
            return faiss.read_index(str(path), faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE)
        index = make_index(self._factory, self._features.shape[1])
        if index.is_trained:
            return index
        ivf = faiss.try_extract_index_ivf(index)
        graph: faiss.Index | None = None  # held here: FAISS keeps no reference
        if ivf is not None:
            ivf.cp.niter = _KMEANS_ROUNDS
            inner = faiss.downcast_index(ivf)
            if isinstance(inner, faiss.IndexIVFPQ):
                inner.use_precomputed_table = -1  # of use to a search only, and hundreds of MB
            if ivf.nlist >= GRAPH_LISTS:
                graph = faiss.IndexHNSWFlat(ivf.d, 32)
                graph.hnsw.efSearch = GRAPH_EFFORT
                ivf.clustering_index = graph
        size = len(self._features)
        count = min(size, max(_TRAINING_ROWS_PER_LIST * inverted_lists(index), _MIN_TRAINING_ROWS))
        rows = np.sort(np.random.default_rng(_SEED).choice(size, count, replace=False))
        try:
            index.train(self._taken(rows))
        except RuntimeError as error:
            limit = f"an index that {size} vectors can train ({first_line(error)})"
            raise errors.invalid_argument("factory", self._factory, limit) from error
        if ivf is not None and graph is not None:
            ivf.clustering_index = None  # type: ignore[assignment]  # the stubs leave out that it may be unset
        self._write(index, path)
        return index

    def _taken(self, rows: npt.NDArray[np.int64]) -> Float32Array:
        """Return the features float32 [n, D] of ascending rows, read in file order."""
        taken = np.empty((len(rows), self._features.shape[1]), np.float32)
        for start in range(0, len(rows), _READ_ROWS):
            taken[start : start + _READ_ROWS] = self._features[rows[start : start + _READ_ROWS]]
        return taken

    def _filled_blocks(self, index: faiss.Index) -> list[Path]:
        size, rows = len(self._features), block_rows(index)
        blocks = {
            self._block(first, rows): (first, min(first + rows, size)) for first in range(0, size, rows)
        }
        for path in self._blocks():  # of a run with other blocks
            if path not in blocks:
                path.unlink()
        missing = {path: span for path, span in blocks.items() if not path.exists()}
        if self._fill is not None and missing:
            self._take(missing, self._fill(self._directory.resolve(), list(missing.values())))
            return list(blocks)
        for path, span in missing.items():
            self._add(index, span)
            self._write(index, path)
            self._lap("add")
            index.reset()
        return list(blocks)

    def _take(self, missing: Mapping[Path, Span], filled: Iterator[bytes]) -> None:
        """Write the blocks that others fill."""
        with self._bar() as bar:
            bar.update(len(self._features) - sum(last - first for first, last in missing.values()))
            for (path, (first, last)), data in zip(missing.items(), filled, strict=True):
                write_durably(path, data)
                self._lap("add")
                bar.update(last - first)

    def _add(self, index: faiss.Index, span: Span) -> None:
        with self._bar(span[0]) as bar:
            add_rows(index, self._features, span, bar.update)

    def _bar(self, done: int = 0) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=len(self._features), initial=done, desc="index", unit="vectors", disable=not self._progress
        )

    def _merge(self, index: faiss.Index, blocks: list[Path], path: Path) -> None:
        from tqdm import tqdm

        beside = self._directory / _WRITING
        with tqdm(
            range(inverted_lists(index)), desc="merge", unit="lists", disable=not self._progress
        ) as bar:
            merge_blocks(index, blocks, beside, tick=(None for _ in bar))
        beside.replace(path)
        sync(self._directory)

    def _write(self, index: faiss.Index, path: Path) -> None:
        beside = self._directory / _WRITING
        faiss.write_index(index, str(beside))
        sync(beside)
        beside.replace(path)
        sync(self._directory)

    def _block(self, first: int, rows: int) -> Path:
        return self._directory / f"block-{rows}-{first:012d}.faiss"

    def _blocks(self) -> list[Path]:
        return sorted(self._directory.glob("block-*.faiss"))

    def _lap(self, stage: str) -> None:
        """Count the time since the last lap to a stage, durably."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._lap_started
        self._lap_started = now
        self._save_stage()

    def _save_stage(self) -> None:
        content = json.dumps({"plan": self._plan, "seconds": self.seconds})
        write_durably(self._directory / _STAGE, content.encode())


def remove_index_files(directory: Path) -> None:
    """Remove what only the building of the index needed; what vouches for the rest goes first."""
    (directory / _STAGE).unlink(missing_ok=True)
    for name in (TRAINED, _WRITING):
        (directory / name).unlink(missing_ok=True)
    for path in directory.glob("block-*.faiss"):
        path.unlink()


def _read_stage(path: Path) -> Mapping[str, Any]:
    try:
        stage = json.loads(path.read_text(encoding="utf-8"))
        return stage if isinstance(stage, dict) and isinstance(stage.get("seconds"), dict) else {}
    except (OSError, ValueError):
        return {}
