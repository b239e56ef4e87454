from __future__ import annotations

import json
from pathlib import Path

from processes import run_recipe


def test_two_pools_take_turns_and_their_times_are_told_by_stage(tmp_path: Path, recipe_work: Path) -> None:
    places = ("--out", tmp_path, "--work", recipe_work)
    printed = run_recipe("growth", "--pools", "digits-rare,digits", "--quick", *places)
    assert printed[-1].startswith("growth dowser=")
    result = json.loads((tmp_path / "growth.json").read_text())
    assert result["sizes"]["digits"] > result["sizes"]["digits-rare"]
    for strategy in result["strategies"].values():
        small, large = strategy["p50_ms"]["digits-rare"], strategy["p50_ms"]["digits"]
        assert strategy["ratio"] == large / small
    assert result["strategies"]["union"]["stage_ms"]["digits"]["synthesize"] > 0
    assert result["strategies"]["subset"]["stage_ms"]["digits"].get("synthesize", 0) == 0
    assert (tmp_path / "growth.png").stat().st_size > 1000
