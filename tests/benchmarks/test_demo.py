"""The demo from end to end, as small as it goes; one run for all tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import run_recipe


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    out = tmp_path_factory.mktemp("demo")
    return out, run_recipe("demo", "--quick", "--out", out)


def test_the_summary_has_every_strategy_and_what_it_was_made_on(demo: tuple[Path, list[str]]) -> None:
    summary = json.loads((demo[0] / "summary.json").read_text())
    assert set(summary["strategies"]) == {"dowser", "exhaustive", "subset", "random"}
    assert summary["strategies"]["dowser"]["scored_a_round"] == summary["parameters"]["max_scored"]
    assert summary["hardware"]["cores"] >= 1 and "torch" in summary["versions"]


def test_the_page_stands_alone(demo: tuple[Path, list[str]]) -> None:
    page = (demo[0] / "report.html").read_text()
    assert page.count("data:image/png;base64,") > 40  # digits and figures
    assert "http" not in page and "<script" not in page and "<link" not in page


def test_the_last_line_is_the_result(demo: tuple[Path, list[str]]) -> None:
    assert demo[1][-1].startswith("demo dowser_50=0.")
    assert any(str(demo[0] / "report.html") in line for line in demo[1])


def test_a_second_run_repeats_nothing_that_is_finished(demo: tuple[Path, list[str]]) -> None:
    before = (demo[0] / "bundle" / "manifest.json").stat().st_mtime_ns
    printed = run_recipe("demo", "--quick", "--out", demo[0])
    assert sum("done before in" in line for line in printed) == 2
    assert (demo[0] / "bundle" / "manifest.json").stat().st_mtime_ns == before
    assert printed[-1] == demo[1][-1]
