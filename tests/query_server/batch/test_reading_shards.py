"""Parts of a finished shard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from query_server.batch import ScoreJobs
from query_server.batch.folder import JobFolder, Record
from query_server.batch.values import JobState, ScoreSpec
from query_server.courtesy import Courtesy


@pytest.mark.parametrize(("offset", "expected"), [(0, b"shard"), (3, b"rd"), (5, b""), (2**64 - 1, b"")])
def test_a_part_begins_at_its_offset_and_is_empty_from_the_end_on(
    tmp_path: Path, offset: int, expected: bytes
) -> None:
    (tmp_path / "1.onnx").write_bytes(b"model")
    record = Record(
        job_id="1",
        fingerprint="00",
        pool="digits",
        size=5,
        spec=ScoreSpec(classifier_id="sha256:1", acquisitions=("margin",)),
        state=JobState.DONE,
        create_time=0.0,
        end_time=1.0,
    )
    folder = JobFolder.create(
        tmp_path / "jobs" / "1", record, np.arange(5, dtype=np.uint64), [tmp_path / "1.onnx"]
    )
    folder.write_shard(0, b"shard", rows=5, missing=0)

    def nothing(_: Path) -> Any:
        raise AssertionError("nothing is worked on")

    jobs = ScoreJobs(tmp_path / "jobs", open_engine=nothing, courtesy=Courtesy(), keep=1)
    assert jobs.read("1", 0, offset) == expected
