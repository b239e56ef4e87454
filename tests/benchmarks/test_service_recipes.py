"""The recipes that hurt or load a live server, each in its smallest run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from processes import run_recipe


def run(name: str, out: Path, work: Path, *more: object) -> tuple[str, dict[str, Any]]:
    printed = run_recipe(name, "--quick", "--out", out, "--work", work, *more)
    return printed[-1], json.loads((out / f"{name}.json").read_text())


def test_a_soak_counts_errors_and_watches_memory_and_handles(tmp_path: Path, recipe_work: Path) -> None:
    line, result = run("soak", tmp_path, recipe_work, "--minutes", 0.15)
    assert line.startswith("soak errors=0 memory_growth=")
    assert result["exit_status"] == 0
    assert {"select", "label", "campaign", "neighbors"} <= result["methods"].keys()
    assert min(result["samples"]["memory_mb"]) > 50
    assert min(result["samples"]["handles"]) > 10
    assert sum(result["windows"]["calls"]) == sum(each["calls"] for each in result["methods"].values())
    assert (tmp_path / "soak.png").stat().st_size > 1000


def test_hostile_models_are_refused_while_others_are_served(tmp_path: Path, recipe_work: Path) -> None:
    line, result = run("hostile", tmp_path, recipe_work)
    assert line.startswith("hostile models=12 server_deaths=0 p99_ratio=")
    assert result["unexpected"] == []
    assert result["errors_of_others"] == 0
    assert {each["outcome"] for each in result["models"].values()} >= {"CLASSIFIER_REJECTED"}
    assert result["phases"]["hostile"]["calls"] > 0


def test_the_price_of_durability_is_a_ratio_of_medians(tmp_path: Path, recipe_work: Path) -> None:
    line, result = run("durability", tmp_path, recipe_work)
    assert line.startswith("durability ratio=")
    assert result["ratio"] == result["p50_ms"]["ledger"] / result["p50_ms"]["none"]
