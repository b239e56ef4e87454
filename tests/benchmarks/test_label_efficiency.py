"""The recipe on scikit-learn's digits, a pool a run into one folder, and how partial results come together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from processes import run_recipe

from benchmarks.common.errors import BenchmarkError
from benchmarks.label_efficiency.findings import better_subset, closing_values, p_value, rare_found_ratio
from benchmarks.label_efficiency.recipe import load_results, make_unit, merge
from benchmarks.label_efficiency.report import render_report
from benchmarks.label_efficiency.strategies import SETS, STRATEGIES, resolve
from client import Acquisition, BatchRule, CandidateSource


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, recipe_work: Path) -> tuple[Path, list[str]]:
    """The balanced pool today and the thinned one tomorrow, into one folder; the last lines of both."""
    out = tmp_path_factory.mktemp("label-efficiency")
    first = _run(out, recipe_work, "--pools", "digits", "--strategies", "random,subset-top,dowser")
    second = _run(
        out, recipe_work, "--pools", "digits-rare", "--strategies", "random,subset-top", "--seeds", "2"
    )
    return out, [first, second]


def _run(out: Path, work: Path, *options: object) -> str:
    places = ("--out", out, "--work", work)
    return run_recipe("label-efficiency", "--quick", *places, "--processes", 1, *options)[-1]


def test_the_last_line_has_every_ratio_and_no_number_where_nothing_was_run(
    runs: tuple[Path, list[str]],
) -> None:
    pairs = dict(each.split("=") for each in runs[1][0].split()[1:])
    assert runs[1][0].startswith("label-efficiency balanced_vs_subset=")
    assert [*pairs] == [
        *("balanced_vs_subset", "rare_vs_subset", "balanced_vs_exhaustive", "rare_vs_exhaustive", "vs_random")
    ]
    assert 0.2 < float(pairs["balanced_vs_subset"]) < 5 and 0.2 < float(pairs["vs_random"]) < 5
    assert pairs["rare_vs_subset"] == pairs["balanced_vs_exhaustive"] == "nan"


def test_a_pool_run_later_joins_the_summary(runs: tuple[Path, list[str]]) -> None:
    summary = json.loads((runs[0] / "summary.json").read_text())
    assert summary["pools"] == ["digits-quick", "digits-rare-quick"]
    assert runs[1][0] == runs[1][1]  # Dowser was run on the first pool alone
    report = (runs[0] / "REPORT.md").read_text()
    assert "## digits-quick" in report and "## digits-rare-quick" in report


def test_a_result_says_what_was_measured(runs: tuple[Path, list[str]]) -> None:
    result = json.loads((runs[0] / "digits-rare-quick.json").read_text())
    entry = result["strategies"]["subset-top"]
    assert entry["seeds"] == [0, 1] and entry["labels"] == [20, 30, 40]
    assert entry["scored_a_round"] == result["parameters"]["max_scored"]
    assert all(row[0] == 0 and row == sorted(row) for row in entry["rare_found"])
    starts = [each["balanced_accuracy"] for each in result["strategies"].values()]
    assert starts[0][0][0] == starts[1][0][0]  # the same labels and first weights
    assert (runs[0] / "digits-rare-quick.png").exists() and (runs[0] / "ratios.png").exists()


def make_result(pool: str, curves: dict[str, list[list[float]]], *, rare: list[int]) -> dict[str, Any]:
    return {
        "name": "label-efficiency",
        "time": "today",
        "hardware": {"cpu": "a CPU", "cores": 2},
        "quick": False,
        "pool": {
            "name": pool,
            "text": pool,
            "size": 1000,
            "class_counts": [500, 500],
            "rare": rare,
            "bundle": {"generator": "gaussian", "features": "pixels"},
        },
        "parameters": {
            **{"budget": 50, "initial": 100, "max_labels": 200, "max_scored": 500},
            **{"classifier": "lenet", "epochs": 10},
        },
        "strategies": {
            name: {
                "spec": STRATEGIES[name].describe(),
                "seeds": list(range(len(runs))),
                "labels": [100, 150, 200],
                "balanced_accuracy": runs,
                "rare_found": [[0, 2, 8 if name == "dowser" else 4] for _ in runs],
                "scored_a_round": 500.0,
                "seconds_a_round": {"select": 0.5},
                "sources": {},
            }
            for name, runs in curves.items()
        },
    }


FAST, SLOW = [0.5, 0.9, 0.9], [0.5, 0.7, 0.9]


def test_strategies_of_two_runs_come_together_and_the_later_wins() -> None:
    stored = make_result("mnist", {"random": [SLOW], "dowser": [SLOW]}, rare=[])
    made = make_result("mnist", {"dowser": [FAST], "subset-top": [SLOW]}, rare=[])
    merged = merge(stored, made)
    assert list(merged["strategies"]) == ["random", "subset-top", "dowser"]
    assert merged["strategies"]["dowser"]["balanced_accuracy"] == [FAST]


def test_strategies_of_another_protocol_are_not_kept() -> None:
    stored = make_result("mnist", {"random": [SLOW]}, rare=[])
    stored["parameters"]["budget"] = 20
    made = make_result("mnist", {"dowser": [FAST]}, rare=[])
    assert list(merge(stored, made)["strategies"]) == ["dowser"]
    assert list(merge({}, made)["strategies"]) == ["dowser"]


def test_results_of_another_bundle_or_definition_are_not_kept() -> None:
    stored = make_result("mnist", {"random": [SLOW], "asal": [SLOW], "subset-top": [SLOW]}, rare=[])
    stored["pool"]["bundle"] = {"generator": "wgan-gp", "features": "pixels"}
    stored["strategies"]["subset-top"]["spec"]["rule"] = "power"
    made = make_result("mnist", {"dowser": [FAST]}, rare=[])
    assert list(merge(stored, made)["strategies"]) == ["random", "dowser"]


def test_quick_results_never_mix_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "mnist.json").write_text(json.dumps(make_result("mnist", {"random": [SLOW]}, rare=[])))
    (tmp_path / "summary.json").write_text("{}")
    assert [each["pool"]["name"] for each in load_results(tmp_path, quick=False)] == ["mnist"]
    assert load_results(tmp_path, quick=True) == []


def test_balanced_and_rare_pools_are_averaged_apart() -> None:
    results = [
        make_result("mnist", {"dowser": [FAST], "subset-top": [SLOW], "random": [SLOW]}, rare=[]),
        make_result("mnist-rare", {"dowser": [SLOW], "subset-top": [SLOW], "random": [SLOW]}, rare=[1]),
    ]
    values = closing_values(results)
    assert values["balanced_vs_subset"] < 0.9
    assert values["rare_vs_subset"] == pytest.approx(1.0)
    assert values["vs_random"] == pytest.approx(values["balanced_vs_subset"] ** 0.5)
    assert values["rare_vs_exhaustive"] != values["rare_vs_exhaustive"]  # never run: no number


def test_only_seeds_that_both_have_run_are_compared() -> None:
    result = make_result("mnist", {"dowser": [FAST, SLOW], "subset-top": [SLOW]}, rare=[])
    assert closing_values([result])["balanced_vs_subset"] < 0.9  # seed 0 alone: FAST against SLOW
    assert p_value(result, "dowser", "subset-top") is None


def test_the_t_test_is_paired_by_seed() -> None:
    # Differences over the rounds of 0.01, 0.02, 0.03: t = 0.02 / (0.01 / sqrt 3) = 3.46, two-sided p = 0.0742.
    base = [[0.5, 0.6, 0.7], [0.2, 0.3, 0.4], [0.8, 0.8, 0.9]]
    ours = [[value + 0.01 * (seed + 1) for value in row] for seed, row in enumerate(base)]
    result = make_result("mnist", {"dowser": ours, "subset-top": base}, rare=[])
    assert p_value(result, "dowser", "subset-top") == pytest.approx(0.0742, abs=1e-3)


def test_the_report_names_the_better_subset_and_what_was_found() -> None:
    curves = {"dowser": [FAST], "subset-top": [SLOW], "subset-class_balanced": [[0.5, 0.8, 0.9]]}
    result = make_result("mnist-rare", curves, rare=[1])
    assert better_subset(result) == "subset-class_balanced"
    assert rare_found_ratio(result, "dowser", "subset-top") == pytest.approx(2.0)
    report = render_report([result])
    assert "(subset-class_balanced)" in report and "2.00 times" in report
    assert "too few seeds to tell" in report


def test_every_set_names_strategies_that_are_there_and_the_core_has_the_rivals() -> None:
    assert all(name in STRATEGIES for names in SETS.values() for name in names)
    assert {"random", "subset-top", "exhaustive-top", "dowser"} <= set(SETS["core"])
    assert resolve(["core", "dowser", "source-climb"])[-1] == "source-climb"
    with pytest.raises(BenchmarkError, match="dowsr"):
        resolve(["dowsr"])


def test_every_strategy_is_one_the_client_can_ask_for() -> None:
    for spec in STRATEGIES.values():
        strategy, options = spec.strategy(200), spec.learner_options()
        assert type(strategy).__name__.lower() == {"subset": "randomsubset"}.get(spec.kind, spec.kind)
        assert Acquisition(options["acquisition"])
        assert options["batch"] is None or BatchRule(options["batch"].rule)
    union = STRATEGIES["union"].strategy(200)
    assert union.shares == {
        CandidateSource.SYNTHESIS: 0.25,
        CandidateSource.LABELED_NEIGHBORS: 0.25,
        CandidateSource.RANDOM: 0.5,
    }
    for spec in STRATEGIES.values():  # a misspelled source would be the unknown one
        assert CandidateSource.UNKNOWN not in {CandidateSource(name) for name in spec.shares or ()}
    assert STRATEGIES["plain"].strategy(200).max_scored == 0


def test_a_new_bundle_leaves_finished_campaigns_of_strategies_that_never_saw_it() -> None:
    def parameters(name: str, digest: str) -> Any:
        return make_unit(name, 0, max_scored=100, target="localhost:1", digest=digest).parameters

    assert parameters("subset-top", "old") == parameters("subset-top", "new")
    assert parameters("dowser", "old") != parameters("dowser", "new")
