"""Recipes of papers, run as a user runs them: served, trained, selected and judged on real digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import run_recipe

RECORDED = {
    ("bgadl", "vae-acgan"): ("information", "distance"),
    ("bgadl", "acgan"): ("information",),
    ("bald-vae", "bald-vae"): ("information", "companions"),
    ("bald-vae", "vae-all"): ("information", "companions"),
}


@pytest.mark.parametrize(
    ("paper", "setting", "strategies"),
    [
        ("bgadl", "digits", ["vae-acgan", "acgan", "pmda", "bald", "bda-partial", "bda-full"]),
        ("m2-vaal", "thousand", ["m2-vaal-adversarial", "vaal", "ta-vaal"]),
        ("vab-al", "digits", ["coreset", "mc-dropout", "vab-al", "no-prior", "vaal", "vaal-sublinear"]),
        ("bald-vae", "digits-20", ["bald-vae", "bald-o", "vae-all"]),
        (
            "together",
            "digits",
            ["dowser", "asal", "bald-vae", "vae-acgan", "vab-al-sublinear", "algorithm-2"],
        ),
        ("together", "digits-of-200", ["exhaustive", "dowser"]),
    ],
)
def test_the_quick_preset_runs_each_strategy_and_reports_it(
    tmp_path: Path, paper: str, setting: str, strategies: list[str]
) -> None:
    out = tmp_path / "out"
    printed = run_recipe(
        *("papers", "--paper", paper, "--quick", "--processes", 1, "--settings", setting),
        *("--strategies", ",".join(strategies), "--out", out, "--work", tmp_path / "work"),
    )
    assert printed[-1].startswith(f"papers paper={paper} claims=")
    found = json.loads((out / f"{paper}-quick" / f"{paper}.json").read_text())[f"results {setting}"]
    assert set(found) == set(strategies)
    for strategy, runs in found.items():
        record = runs["0"]
        assert len(record["labels"]) == len(record["accuracy"]) > 1, strategy
        assert record["labels"][-1] > record["labels"][0] or strategy == "bda-full", strategy
        for name in RECORDED.get((paper, strategy), ()):
            # What the loop's other figures are made of; a round of BALD-VAE in which none is uncertain makes nothing.
            assert any(record[name]), (strategy, name)
    assert (out / f"{paper}-quick" / f"{setting}.png").stat().st_size > 1000
    if "-of-" in setting:
        assert (out / f"{paper}-quick" / "seconds.png").stat().st_size > 1000
