"""The churn recipe on digits, from the command line to its last line."""

from __future__ import annotations

import json

from processes import run_recipe


def test_churn_tells_recall_and_latency_at_every_point(tmp_path, recipe_work) -> None:
    printed = run_recipe("churn", "--pool", "digits", "--quick", "--out", tmp_path, "--work", recipe_work)
    assert printed[-1].startswith("churn recall_before=")
    result = json.loads((tmp_path / "churn.json").read_text())
    assert set(result["p50_ms"]) == {"before", "churned", "during", "compacted"}
    assert result["recall_at_10"]["compacted"] >= 0.9
    assert result["index"].startswith("IVF")
    assert (tmp_path / "churn.png").stat().st_size > 1000
