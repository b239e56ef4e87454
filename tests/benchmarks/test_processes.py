from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.common.errors import BenchmarkError
from benchmarks.common.processes import run_tool, serving


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match=r"(?s)exit code 1.*manifest\.json"),
        serving(bundle=tmp_path / "none", index=tmp_path / "none", state=tmp_path / "state", threads=1),
    ):
        pytest.fail("there is no such server")


def test_a_failing_tool_is_named_with_its_exit_code(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"`dowser-trainer train.*exit code 2"):
        run_tool("dowser-trainer", "train", "--generator", "none")


def test_a_tool_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(BenchmarkError, match=r"dowser-nothing is missing.*pip install"):
        run_tool("dowser-nothing")
