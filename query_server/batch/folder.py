"""A job on disk: what was asked, the classifier, the ids, and the shards as they are finished.

    job.json            what was asked and what became of it; replaced as a whole
    classifier/         the uploaded bytes
    pool_ids.npy        uint64 [N], in the order of the rows written
    condition-F.npy     what the acquisition function F read of the pool at the start
    shards.jsonl        a line for each finished shard, written after its file
    shard-00000.parquet …

A shard counts once its line is on disk. What a crash leaves of one that does not is written again, as is what follows a
line that cannot be read.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from query_server.acquisition import HeadCondition
from query_server.batch.values import JobState, ScoreSpec, Shard
from query_server.errors import corrupt_file
from query_server.files import refusing_failed_writes, remove_unfinished, sync, write_durably

_RECORD = "job.json"
_IDS = "pool_ids.npy"
_SHARDS = "shards.jsonl"
CLASSIFIER = "classifier"
_FORMAT = 1
_MAKING = ".writing-"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What job.json says.

    Attributes:
        job_id: Names the job.
        fingerprint: Of the request that started it, hexadecimal.
        pool: The pool's name.
        size: Samples to score.
        spec: What was asked.
        state: What became of it.
        create_time: Unix seconds.
        end_time: Unix seconds; None before the end.
        error_reason: Why it failed.
        error: The same in words.
    """

    job_id: str
    fingerprint: str
    pool: str
    size: int
    spec: ScoreSpec
    state: JobState
    create_time: float
    end_time: float | None = None
    error_reason: str = ""
    error: str = ""

    def to_bytes(self) -> bytes:
        """Return the file."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_bytes(cls, data: bytes, path: Path) -> Self:
        """Read the file.

        Raises:
            DowserError: CORRUPT_FILE.
        """
        try:
            fields = json.loads(data)
            if fields.pop("format") != _FORMAT:
                raise ValueError("of another format")
            spec = fields.pop("spec")
            spec["acquisitions"] = tuple(spec["acquisitions"])
            return cls(**{**fields, "state": JobState(fields["state"]), "spec": ScoreSpec(**spec)})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise corrupt_file(path, f"no record of a score job ({error}); remove its folder") from error


class JobFolder:
    """One job's folder. One thread at a time writes.

    Args:
        path: Made by ``create``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = Record.from_bytes((path / _RECORD).read_bytes(), path / _RECORD)
        self.shards: tuple[Shard, ...] = tuple(self._listed())

    @classmethod
    def create(cls, path: Path, record: Record, pool_ids: NDArray[np.uint64], files: Iterable[Path]) -> Self:
        """Make a job's folder, durably and as a whole.

        Args:
            path: What to make.
            record: Its first record.
            pool_ids: uint64 [N].
            files: The classifier's.

        Raises:
            DowserError: STORAGE_FULL; nothing is left behind.
        """
        making = path.with_name(f"{_MAKING}{path.name}-{secrets.token_hex(4)}")
        try:
            with refusing_failed_writes(path.name):
                (making / CLASSIFIER).mkdir(parents=True)
                with (making / _IDS).open("wb") as file:
                    np.save(file, np.asarray(pool_ids, np.uint64))
                    file.flush()
                    os.fsync(file.fileno())
                for source in files:
                    write_durably(making / CLASSIFIER / source.name, source.read_bytes())
                write_durably(making / _RECORD, record.to_bytes())
                sync(making)
                making.rename(path)
                sync(path.parent)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return cls(path)

    @classmethod
    def begin(cls, path: Path, record: Record, pool_ids: NDArray[np.uint64]) -> Self:
        """Make a folder that is there, with its classifier in it, a job's; the record comes last.

        Raises:
            DowserError: STORAGE_FULL.
        """
        file = io.BytesIO()
        np.save(file, np.asarray(pool_ids, np.uint64))
        write_durably(path / _IDS, file.getvalue())
        write_durably(path / _RECORD, record.to_bytes())
        return cls(path)

    @staticmethod
    def is_one(path: Path) -> bool:
        """Tell whether a folder is a job's."""
        return (path / _RECORD).exists()

    @property
    def classifier(self) -> Path:
        """The folder of its classifier."""
        return self.path / CLASSIFIER

    def pool_ids(self) -> NDArray[np.uint64]:
        """Map the ids, uint64 [N].

        Raises:
            DowserError: CORRUPT_FILE.
        """
        path = self.path / _IDS
        try:
            ids: NDArray[np.uint64] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise corrupt_file(path, f"not readable ({error}); start the job again") from error
        if ids.shape != (self.record.size,) or ids.dtype != np.uint64:
            raise corrupt_file(path, f"holds {ids.dtype} {list(ids.shape)}; start the job again")
        return ids

    def update(self, **changes: Any) -> None:
        """Change the record, durably."""
        record = replace(self.record, **changes)
        write_durably(self.path / _RECORD, record.to_bytes())
        self.record = record

    def write_shard(self, number: int, data: bytes, *, rows: int, missing: int) -> None:
        """Write a shard and then its line.

        Raises:
            DowserError: STORAGE_FULL.
        """
        shard = Shard(
            number=number,
            rows=rows,
            missing=missing,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        write_durably(self.shard_path(number), data)
        # As a whole: a line torn by a crash would be in the way of the next.
        lines = [json.dumps(asdict(each)) for each in (*self.shards, shard)]
        write_durably(self.path / _SHARDS, ("\n".join(lines) + "\n").encode())
        self.shards = (*self.shards, shard)

    def shard_path(self, number: int) -> Path:
        """Return where a shard lies."""
        return self.path / f"shard-{number:05d}.parquet"

    def load_conditions(self, names: Iterable[str]) -> dict[str, HeadCondition]:
        """Return the conditions that were saved, of those acquisition functions."""
        found = {}
        for name in names:
            path = self._condition_path(name)
            if path.exists():
                found[name] = HeadCondition(targets=np.load(path, allow_pickle=False))
        return found

    def save_conditions(self, conditions: dict[str, HeadCondition]) -> None:
        """Keep what acquisition functions read of the pool, so that a resumed job reads the same."""
        for name, condition in conditions.items():
            if condition.targets is not None and not self._condition_path(name).exists():
                file = io.BytesIO()
                np.save(file, condition.targets)
                write_durably(self._condition_path(name), file.getvalue())

    def remove(self) -> None:
        """Remove the job with all its files."""
        gone = self.path.with_name(f"{_MAKING}{self.path.name}-{secrets.token_hex(4)}")
        self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _condition_path(self, name: str) -> Path:
        return self.path / f"condition-{name}.npy"

    def _listed(self) -> Iterator[Shard]:
        path = self.path / _SHARDS
        if not path.exists():
            return
        for line in path.read_text(errors="replace").splitlines():
            try:
                shard = Shard(**json.loads(line))
            except (ValueError, TypeError):
                return
            file = self.shard_path(shard.number)
            if not file.exists() or file.stat().st_size != shard.size_bytes:
                return  # this one and what follows is made again
            yield shard


def open_jobs(folder: Path) -> list[JobFolder]:
    """Return the jobs of a folder in the order they were started; clears away what a crash left half made.

    Raises:
        DowserError: CORRUPT_FILE naming a record that cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_MAKING}*"):
        shutil.rmtree(left, ignore_errors=True)
    jobs = []
    for path in folder.iterdir():
        if (path / _RECORD).exists():
            remove_unfinished(path)
            jobs.append(JobFolder(path))
    return sorted(jobs, key=lambda job: (job.record.create_time, job.record.job_id))
