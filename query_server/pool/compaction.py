"""Makes an index of what is alive in a state of a pool.

Samples, features and ids are copied a block at a time, with plain writes, so that a full disk is an error and not a
SIGBUS. What computes, training, adding, tuning and hashing, is a process of its own (`finishing`): it can have a low
priority without ever holding this interpreter's lock at it, its memory goes back when it ends, and it can be ended at
any time. Nothing is resumed: what a crash left is removed, and the next attempt is of a newer state anyway.
"""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from google.protobuf import json_format

from dowser.v1 import index_pb2
from query_server import errors
from query_server.files import refusing_failed_writes, sync, write_durably
from query_server.pool.factory import choose_index, inverted_lists, make_index
from query_server.pool.manifest import FEATURES, FORMAT, INDEX, POOL_IDS, SAMPLES
from query_server.pool.pool import Pool

Float32Array = npt.NDArray[np.float32]

DRAFT, QUERIES = "draft.json", "queries.npy"
_BLOCK_BYTES = 8 * 2**20
_LOOK_SECONDS = 0.1
_RECALL_TARGET = 0.95  # of an index that does not say which it was built for
_ASKED_FOR = "asked for"
_ROOM = 1.1
_log = logging.getLogger(__name__)


def write_compacted(
    state: Pool,
    directory: Path,
    *,
    queries: Float32Array,
    threads: int,
    give_way: Callable[[], None],
    checkpoint: Callable[[], None],
) -> None:
    """Write the index directory of a state; complete and on disk when this returns.

    Args:
        state: Of which at least one sample is alive.
        directory: Made; removed again on an error.
        queries: float32 [Q, D] to tune with.
        threads: OpenMP threads.
        give_way: Called before each block; waits while somebody waits for the server.
        checkpoint: Called often; what it raises ends the work.

    Raises:
        DowserError: STORAGE_FULL, INVALID_ARGUMENT if no index fits the memory budget, COMPACTION_REFUSED if the
            process failed.
    """
    draft = _draft(state)
    _check_room(state, draft, directory.parent)
    shutil.rmtree(directory, ignore_errors=True)
    try:
        with refusing_failed_writes(str(directory)):
            directory.mkdir()
            started = time.monotonic()
            _copy_rows(state, directory, give_way)
            draft.build_seconds["copy"] = round(time.monotonic() - started, 3)
            np.save(directory / QUERIES, queries)
            text = json_format.MessageToJson(draft, preserving_proto_field_name=True)
            write_durably(directory / DRAFT, text.encode())
        _finish(state.name, directory, threads, checkpoint)
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _draft(state: Pool) -> index_pb2.IndexManifest:
    """Return the manifest as far as it is known: built as the old index was, of another size."""
    old = state.manifest
    recall_target = old.recall_target or _RECALL_TARGET
    factory, why = old.factory, _ASKED_FOR
    too_many_lists = inverted_lists(make_index(factory, state.feature_dim)) > state.size
    if old.choice != _ASKED_FOR or too_many_lists:
        choice = choose_index(
            state.size,
            state.feature_dim,
            recall_target=recall_target,
            memory_budget_bytes=int(old.memory_budget_bytes) or None,
        )
        factory, why = choice.factory, choice.why
    return index_pb2.IndexManifest(
        format=FORMAT,
        pool=old.pool,
        size=state.size,
        feature_dim=state.feature_dim,
        bundle_digest=old.bundle_digest,
        encoder_sha256=old.encoder_sha256,
        preprocessing=old.preprocessing,
        factory=factory,
        recall_target=recall_target,
        memory_budget_bytes=old.memory_budget_bytes,
        choice=why,
        index_version=1,
        without_samples=not state.has_samples,
    )


def _check_room(state: Pool, draft: index_pb2.IndexManifest, folder: Path) -> None:
    """Refuse before the disk is full: others write to it."""
    row = 4 * state.feature_dim + 16 + (_sample_bytes(state) if state.has_samples else 0)
    # The vectors' size bounds the index of any kind; its blocks lie beside it until they are merged.
    index = 2 * (4 * state.feature_dim + 8)
    needed, free = int(_ROOM * state.size * (row + index)), shutil.disk_usage(folder).free
    if needed > free:
        raise errors.storage_full(folder, f"{needed} bytes are needed for {draft.factory}, {free} are free")


def _sample_bytes(state: Pool) -> int:
    return int(state.raw_dtype.itemsize * np.prod(state.raw_shape, dtype=np.int64))


def _copy_rows(state: Pool, directory: Path, give_way: Callable[[], None]) -> None:
    """Write features, ids and samples of all alive rows, in the order of the rows."""
    rows = np.flatnonzero(state.alive())
    block = max(1, _BLOCK_BYTES // (_sample_bytes(state) + 4 * state.feature_dim))
    with (
        _NpyFile(directory / FEATURES, (len(rows), state.feature_dim), np.float32) as features,
        _NpyFile(directory / POOL_IDS, (len(rows),), np.uint64) as ids,
    ):
        for start in range(0, len(rows), block):
            give_way()
            part = rows[start : start + block]
            features.append(state.features(part))
            ids.append(state.ids_of(part))
            state.forget_pages()
    if not state.has_samples:
        return
    with _NpyFile(directory / SAMPLES, (len(rows), *state.raw_shape), state.raw_dtype) as samples:
        for start in range(0, len(rows), block):
            give_way()
            samples.append(state.raw(rows[start : start + block]))
            state.forget_pages()


class _NpyFile:
    """A .npy file written from its first row to its last; on disk when the block ends."""

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self._path = path
        self._header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shape}
        self._dtype = np.dtype(dtype)
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "_NpyFile":
        self._file = self._path.open("xb")
        np.lib.format.write_array_header_1_0(self._file, self._header)
        return self

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write the next rows [n, …]."""
        assert self._file is not None  # entered
        self._file.write(np.ascontiguousarray(rows, self._dtype).data)

    def __exit__(self, *_: object) -> None:
        assert self._file is not None  # entered
        self._file.close()
        sync(self._path)


def _finish(pool: str, directory: Path, threads: int, checkpoint: Callable[[], None]) -> None:
    """Have a process of its own make the index; it ends with this one."""
    path = os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry and Path(entry).exists())
    process = subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "query_server.pool.finishing",
            directory,
            str(threads),
            str(os.getpid()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        while True:
            checkpoint()
            try:
                _, said = process.communicate(timeout=_LOOK_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
    except BaseException:
        process.kill()
        process.communicate()
        raise
    last = said.strip().rpartition("\n")[2]
    if process.returncode:
        what = f"the process that builds the index ended with {process.returncode}: {last or 'no message'}"
        raise errors.compaction_refused(pool, "FAILED", what)
    for line in said.splitlines():
        _log.info("%s", line)
    if not (directory / INDEX).is_file():
        raise errors.compaction_refused(pool, "FAILED", "the process that builds the index left none")
    for name in (DRAFT, QUERIES):
        (directory / name).unlink()
