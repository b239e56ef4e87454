from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from failing_jobs import Job, no_data_set, nothing, work
from tqdm import tqdm

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.jobs import run_jobs


def run(
    folder: Path, *names: str, kept: dict[str, Any], processes: int = 1, start: Callable[[], None] = nothing
) -> None:
    jobs = [Job(name, folder) for name in names]
    run_jobs(
        jobs,
        work,
        start=start,
        keep=lambda job, record: kept.update({job.name: record}),
        progress=tqdm(disable=True),
        processes=processes,
    )


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("exit-3", "ended with exit code 3"),
        ("out-of-memory", r"was killed by SIGKILL \(.*memory"),
        ("segfault", "was killed by SIGSEGV"),
    ],
)
def test_a_process_that_dies_is_told_with_its_job_and_its_end(
    tmp_path: Path, name: str, ending: str, capfd: pytest.CaptureFixture[str]
) -> None:
    kept: dict[str, Any] = {}
    (tmp_path / "steady").touch()
    with pytest.raises(BenchmarkError, match=f"^{name}: its process {ending}.*; run again to go on$"):
        run(tmp_path, "quick", name, "never", kept=kept)
    assert set(kept) == {"quick"}
    # A crash in compiled code says where it was called.
    assert ("failing_jobs.py" in capfd.readouterr().err) == (name == "segfault")


def test_what_runs_beside_a_job_that_fails_is_finished_and_kept_and_nothing_more_is_begun(
    tmp_path: Path,
) -> None:
    kept: dict[str, Any] = {}
    with pytest.raises(BenchmarkError, match=r"^refused failed: the server refused$"):
        run(tmp_path, "refused", "steady", "never", "never-too", "nor-this", kept=kept, processes=2)
    assert set(kept) == {"steady"}


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}
    with pytest.raises(BenchmarkError, match=r"^quick failed: mnist\.npz is missing$"):
        run(tmp_path, "quick", kept=kept, start=no_data_set)
    assert kept == {}
