from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from benchmarks.asal_mnist import figures
from benchmarks.asal_mnist.findings import best_features, compare, find, verdict
from benchmarks.asal_mnist.recipe import closing_values
from benchmarks.asal_mnist.report import render_report
from benchmarks.common import curves, plots

Records = dict[str, list[dict[str, Any]]]


def test_accuracy_at_is_mean_and_spread_of_the_seeds(record_of: Callable[..., dict[str, Any]]) -> None:
    records = [record_of([0.8, 0.9]), record_of([0.8, 0.94])]
    assert curves.accuracy_at(records, 150) == pytest.approx((0.92, np.std([0.9, 0.94], ddof=1)))
    assert curves.accuracy_at(records, 170) is None


def test_labels_to_reach_is_the_first_count_at_the_target(record_of: Callable[..., dict[str, Any]]) -> None:
    records = [record_of([0.8, 0.96, 0.94, 0.97])]
    assert curves.labels_to_reach(records, 0.95) == 150
    assert curves.labels_to_reach(records, 0.98) is None


def test_the_best_features_have_the_best_mean_accuracy(asal_records: Records) -> None:
    assert best_features(asal_records, "dowser") == "critic"


def test_comparison_leaves_out_the_shared_start(record_of: Callable[..., dict[str, Any]]) -> None:
    records = {"a": [record_of([0.5, 0.9])], "b": [record_of([0.5, 0.8])]}
    found = compare(records, "a", "b", (100, 150, 500))
    assert found["over_rounds"] == pytest.approx([10.0])
    assert set(found["at"]) == {"100", "150"}


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ([0.5, 0.2], "above in all 2"),
        ([-0.5, -0.2], "below in all 2"),
        ([0.5, -0.2], "not told apart: above in 1 of 2"),
    ],
)
def test_a_verdict_is_no_stronger_than_its_seeds(differences: list[float], words: str) -> None:
    wins = sum(value > 0 for value in differences)
    assert words in verdict({"over_rounds": differences, "wins": wins, "seeds": len(differences)})


def test_one_seed_is_called_a_single_seed() -> None:
    assert "a single seed" in verdict({"over_rounds": [1.0], "wins": 1, "seeds": 1})


def test_the_report_says_what_the_numbers_say(asal_records: Records) -> None:
    result = {
        "hardware": {"cpu": "a cpu", "cores": 2},
        "time": "now",
        "seconds": 60.0,
        "seeds": [0, 1],
        "parameters": {
            "initial_per_class": 10,
            "budget": 50,
            "max_labels": 500,
            "latents": 50,
            "synthesis_steps": 100,
            "max_scored": 1000,
            "processes": 2,
        },
        "bundles": {"pixels": {"generator": "wgan-gp", "training": {"iterations": "6000", "width": "32"}}},
        "findings": find(asal_records, (200, 500)),
    }
    report = render_report(result, asal_records, (200, 500, 1000))
    assert "`plain-pixels` against `random`: below in all 2 seeds" in report
    assert "`dowser-critic` against `subset`: above in all 2 seeds" in report
    assert "| strategy | 200 | 500 | mean" in report  # no campaign reached 1000
    assert "nan" not in report and all(f"| {name} |" in report for name in asal_records)


def test_the_last_line_uses_the_best_features(asal_records: Records) -> None:
    values = closing_values(asal_records)
    assert values["best_features"] == "critic"
    assert values["dowser_500"] == pytest.approx(0.9355)
    assert "dowser_1000" not in values


def test_every_figure_can_be_drawn(asal_records: Records) -> None:
    for draw in (
        figures.accuracy_figure,
        figures.features_figure,
        figures.entropy_figure,
        figures.labels_figure,
        figures.time_figure,
    ):
        assert plots.to_data_uri(draw(asal_records)).startswith("data:image/png;base64,")
