"""How many jobs a server keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from pool_states import StubPool

from query_server.batch import ScoreJobs
from query_server.batch.folder import JobFolder, Record
from query_server.batch.values import JobState, ScoreSpec
from query_server.courtesy import Courtesy
from query_server.errors import DowserError, Reason

SPEC = ScoreSpec(classifier_id="sha256:1", acquisitions=("margin",))


class Samples(StubPool):
    """A pool of five samples."""

    name = "digits"
    has_samples = True

    def __init__(self) -> None:
        super().__init__(5)

    def alive(self) -> np.ndarray:
        return self._alive

    def ids_of(self, rows: np.ndarray) -> np.ndarray:
        return rows.astype(np.uint64)


def jobs(folder: Path, states: list[JobState], *, keep: int) -> ScoreJobs:
    """Jobs of these states, numbered in the order in which they ended; nothing is worked on."""
    (folder / "jobs").mkdir()
    (folder / "1.onnx").write_bytes(b"model")
    for number, state in enumerate(states):
        record = Record(
            job_id=str(number),
            fingerprint="00",
            pool="digits",
            size=5,
            spec=SPEC,
            state=state,
            create_time=number,
            end_time=number if state.has_ended else None,
        )
        path = folder / "jobs" / str(number)
        JobFolder.create(path, record, np.arange(5, dtype=np.uint64), [folder / "1.onnx"])

    def nothing(_: Path) -> Any:
        raise AssertionError("nothing is worked on")

    return ScoreJobs(folder / "jobs", open_engine=nothing, courtesy=Courtesy(), keep=keep)


def start(made: ScoreJobs, folder: Path) -> str:
    pool = cast(Any, Samples())
    return made.start(
        SPEC,
        pool=pool,
        pool_ids=None,
        classifier=folder / "1.onnx",
        request_id="new",
        fingerprint=b"1",
    ).job_id


def test_as_many_as_it_takes_are_dropped_where_fewer_are_to_be_kept_than_were(tmp_path: Path) -> None:
    states = [JobState.DONE, JobState.FAILED, JobState.QUEUED, JobState.CANCELLED, JobState.DONE]
    made = jobs(tmp_path, states, keep=3)
    new = start(made, tmp_path)
    assert [job.job_id for job in made.list()] == ["2", "4", new]
    assert sorted(path.name for path in (tmp_path / "jobs").iterdir()) == sorted(["2", "4", new])


def test_jobs_that_have_not_ended_are_not_dropped(tmp_path: Path) -> None:
    made = jobs(tmp_path, [JobState.QUEUED, JobState.DONE, JobState.QUEUED], keep=2)
    with pytest.raises(DowserError) as refused:
        start(made, tmp_path)
    assert refused.value.reason is Reason.OVERLOADED
    assert [job.job_id for job in made.list()] == ["0", "1", "2"]
