"""What a job keeps on disk, and what it makes of what a crash left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from query_server.acquisition import HeadCondition
from query_server.batch.folder import JobFolder, Record, open_jobs
from query_server.batch.scoring import chunk_rows
from query_server.batch.values import JobState, ScoreJob, ScoreSpec, Shard
from query_server.errors import DowserError, Reason

SPEC = ScoreSpec(classifier_id="sha256:1", acquisitions=("margin", "epig"), shard_size=2)


def make(folder: Path, name: str = "job", create_time: float = 1.0) -> JobFolder:
    record = Record(
        job_id=name,
        fingerprint="00",
        pool="digits",
        size=5,
        spec=SPEC,
        state=JobState.QUEUED,
        create_time=create_time,
    )
    classifier = folder.parent / "1.onnx"
    classifier.write_bytes(b"model")
    folder.mkdir(exist_ok=True)
    return JobFolder.create(folder / name, record, np.arange(5, dtype=np.uint64), [classifier])


def test_a_job_is_read_back_as_it_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    job = make(folder)
    job.write_shard(0, b"first", rows=2, missing=0)
    job.update(state=JobState.FAILED, error="why")
    job.save_conditions({"epig": HeadCondition(targets=np.ones((2, 3, 4), np.float32))})
    (again,) = open_jobs(folder)
    assert (again.record, again.shards) == (job.record, job.shards)
    assert again.pool_ids().tolist() == [0, 1, 2, 3, 4]
    assert (again.classifier / "1.onnx").read_bytes() == b"model"
    conditions = again.load_conditions(["margin", "epig"])
    assert list(conditions) == ["epig"] and conditions["epig"].targets.shape == (2, 3, 4)


def test_a_shard_without_its_line_and_half_written_files_are_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    job = make(folder)
    job.write_shard(0, b"first", rows=2, missing=0)
    job.shard_path(1).write_bytes(b"second")
    (job.path / ".writing-0-x").write_bytes(b"half")
    (folder / ".writing-other").mkdir()
    (again,) = open_jobs(folder)
    assert [shard.number for shard in again.shards] == [0]
    assert not list(folder.rglob(".writing-*"))


def test_shards_from_a_lost_one_on_are_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    job = make(folder)
    for number in range(3):
        job.write_shard(number, b"shard", rows=2 - number // 2, missing=0)
    job.shard_path(1).unlink()
    (again,) = open_jobs(folder)
    assert [shard.number for shard in again.shards] == [0]


@pytest.mark.parametrize("line", [b'{"number": 1', b"[]", b"\xff\x00", b'{"number": 1, "of": 2}'])
def test_shards_from_a_line_on_that_cannot_be_read_are_made_again(tmp_path: Path, line: bytes) -> None:
    job = make(tmp_path / "jobs")
    for number in range(3):
        job.write_shard(number, b"shard", rows=2 - number // 2, missing=0)
    listed = (job.path / "shards.jsonl").read_bytes().splitlines()
    (job.path / "shards.jsonl").write_bytes(b"\n".join([listed[0], line, listed[2], b""]))
    (again,) = open_jobs(tmp_path / "jobs")
    assert [shard.number for shard in again.shards] == [0]
    again.write_shard(1, b"anew", rows=2, missing=0)
    (again,) = open_jobs(tmp_path / "jobs")
    assert [shard.number for shard in again.shards] == [0, 1]


def test_jobs_come_in_the_order_they_were_started(tmp_path: Path) -> None:
    for name, time in (("b", 1.0), ("a", 2.0), ("c", 0.5)):
        make(tmp_path / "jobs", name, time)
    assert [job.record.job_id for job in open_jobs(tmp_path / "jobs")] == ["c", "b", "a"]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    job = make(tmp_path / "jobs")
    (job.path / "job.json").write_text("{}")
    with pytest.raises(DowserError) as refused:
        open_jobs(tmp_path / "jobs")
    assert refused.value.reason is Reason.CORRUPT_FILE
    assert refused.value.metadata["file"].endswith("job.json")


def test_progress_counts_what_was_removed_and_tells_the_time_left() -> None:
    shards = (Shard(number=0, rows=1, missing=1, size_bytes=1, sha256=""),)
    job = ScoreJob(
        job_id="job",
        pool="digits",
        spec=SPEC,
        state=JobState.RUNNING,
        size=5,
        shards=shards,
        rows_per_second=1.5,
        create_time=0.0,
    )
    assert (job.done, job.shard_count, job.eta_seconds) == (2, 3, 2.0)


@pytest.mark.parametrize(("shape", "rows"), [((1, 28, 28), 668), ((3, 224, 224), 32), ((16,), 2048)])
def test_chunks_are_bounded_in_bytes_and_in_rows(shape: tuple[int, ...], rows: int) -> None:
    assert chunk_rows(shape) == rows
