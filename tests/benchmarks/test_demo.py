"""The demo from end to end, as small as it goes; one run for all tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo")
    return out, _run(out)


def _run(out: Path) -> str:
    command = [sys.executable, "-m", "benchmarks", "demo", "--quick", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_summary_has_every_strategy_and_what_it_was_made_on(demo: tuple[Path, str]) -> None:
    summary = json.loads((demo[0] / "summary.json").read_text())
    assert set(summary["strategies"]) == {"dowser", "exhaustive", "subset", "random"}
    assert summary["strategies"]["dowser"]["scored_a_round"] == summary["parameters"]["max_scored"]
    assert summary["hardware"]["cores"] >= 1 and "torch" in summary["versions"]


def test_the_page_stands_alone(demo: tuple[Path, str]) -> None:
    page = (demo[0] / "report.html").read_text()
    assert page.count("data:image/png;base64,") > 40  # digits and figures
    assert "http" not in page and "<script" not in page and "<link" not in page


def test_the_last_line_is_the_result(demo: tuple[Path, str]) -> None:
    assert demo[1].splitlines()[-1].startswith("demo dowser_50=0.")
    assert str(demo[0] / "report.html") in demo[1]


def test_a_second_run_repeats_nothing_that_is_finished(demo: tuple[Path, str]) -> None:
    before = (demo[0] / "bundle" / "manifest.json").stat().st_mtime_ns
    output = _run(demo[0])
    assert output.count("done before in") == 2
    assert (demo[0] / "bundle" / "manifest.json").stat().st_mtime_ns == before
    assert output.splitlines()[-1] == demo[1].splitlines()[-1]
