from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_two_pools_take_turns_and_their_times_are_told_by_stage(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "growth", "--pools", "digits-rare,digits", "--quick"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("growth dowser=")
    result = json.loads((tmp_path / "growth.json").read_text())
    assert result["sizes"]["digits"] > result["sizes"]["digits-rare"]
    for strategy in result["strategies"].values():
        small, large = strategy["p50_ms"]["digits-rare"], strategy["p50_ms"]["digits"]
        assert strategy["ratio"] == large / small
    assert result["strategies"]["union"]["stage_ms"]["digits"]["synthesize"] > 0
    assert result["strategies"]["subset"]["stage_ms"]["digits"].get("synthesize", 0) == 0
    assert (tmp_path / "growth.png").stat().st_size > 1000
