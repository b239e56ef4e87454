"""The churn recipe on digits, from the command line to its last line."""

from __future__ import annotations

import json
import subprocess
import sys


def test_churn_tells_recall_and_latency_at_every_point(tmp_path) -> None:
    command = [sys.executable, "-m", "benchmarks", "churn", "--pool", "digits", "--quick"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("churn recall_before=")
    result = json.loads((tmp_path / "churn.json").read_text())
    assert set(result["p50_ms"]) == {"before", "churned", "during", "compacted"}
    assert result["recall_at_10"]["compacted"] >= 0.9
    assert result["index"].startswith("IVF")
    assert (tmp_path / "churn.png").stat().st_size > 1000
