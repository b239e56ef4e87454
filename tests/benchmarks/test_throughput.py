from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import run_recipe

from benchmarks.common.errors import BenchmarkError
from benchmarks.throughput.callers import Call, Driven
from benchmarks.throughput.recipe import summary


def test_callers_by_numbers_are_told_with_their_fair_share(tmp_path: Path, recipe_work: Path) -> None:
    places = ("--out", tmp_path, "--work", recipe_work)
    printed = run_recipe("throughput", "--clients", "1,3", "--quick", "--seconds", 2, *places)
    assert printed[-1].startswith("throughput ratio_3_1=")
    result = json.loads((tmp_path / "throughput.json").read_text())
    assert set(result["clients"]) == {"1", "3"}
    for each in result["clients"].values():
        assert len(each["round_seconds"]) == each["rounds"] > 0
        assert each["cpu_seconds_per_round"] > 0
    assert (tmp_path / "throughput.png").stat().st_size > 1000


def test_a_caller_that_waits_longer_than_its_turn_shows_in_the_fairness() -> None:
    served = [Call(began=0.0, ended=1.0)] * 99
    starved = [Call(began=0.0, ended=50.0)] * 101
    question = [Call(began=0.0, ended=0.004)]
    fair = summary(2, [Driven(rounds=served, questions=question, seconds=49.5, cpu_seconds=9.9)])
    assert fair["fair_share_seconds"] == fair["p99_seconds"] == 1.0
    assert fair["fairness"] == 1.0
    assert fair["cpu_seconds_per_round"] == pytest.approx(0.1)
    unfair = summary(2, [Driven(rounds=served + starved, questions=question, seconds=100.0, cpu_seconds=1.0)])
    assert unfair["fairness"] == 50.0


def test_a_run_in_which_nothing_ended_asks_for_more_time() -> None:
    with pytest.raises(BenchmarkError, match="give more --seconds"):
        summary(32, [Driven(rounds=[], questions=[], seconds=4.0, cpu_seconds=1.0)])
