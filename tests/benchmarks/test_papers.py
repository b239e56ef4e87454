"""The frame of the papers' recipe: units are kept, claims are judged by them, the report says what is missing."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.common.environment import describe_environment
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.results import last_line, read_json, write_json
from benchmarks.papers import recipe
from benchmarks.papers.claims import Claim, Verdict, judge, ordering
from benchmarks.papers.figures import curves_figure
from benchmarks.papers.finished import load_results, save_unit, settings_to_json, take_up, unit_store
from benchmarks.papers.paper import Paper, PaperStrategy, Preset, Reduction, Setting, Unit
from benchmarks.papers.records import compare
from benchmarks.papers.registry import PAPERS, find_paper
from benchmarks.papers.report import render_report

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "papers"
SETTING = Setting(
    name="digits",
    text="some digits",
    parameters={"budget": 10},
    strategies={"best": PaperStrategy(text="the best"), "random": PaperStrategy(text="random")},
    seeds=(0, 1, 2),
    rounds=2,
)
CLAIM = Claim(
    name="best-above-random",
    text="the best is above random",
    where="figure 1",
    paper="above",
    measured="accuracy over the rounds",
    check=lambda results: ordering([compare(results, "digits", "best", "random")]),
)
PAPER = Paper(
    name="asal",
    title="A paper",
    presets={
        "cpu": Preset(
            settings=[SETTING], reductions=[Reduction(what="labels", paper="500", ours="30", why="time")]
        )
    },
    prepare=lambda units, folder: nullcontext({}),
    run=lambda unit, resources: {},
    claims=[CLAIM],
)


def keep(work: Path, strategy: str, seed: int, accuracy: list[float]) -> None:
    record = {"labels": [10, 20, 30], "accuracy": accuracy, "rounds": [{"pool_ids": [1]}]}
    save_unit(unit_store(SETTING, work), Unit(setting=SETTING, strategy=strategy, seed=seed), record)


def publish(work: Path, out: Path) -> Path:
    """Publish what is finished; return the JSON."""
    results = load_results(PAPER.presets["cpu"], work)
    recipe.publish(out, PAPER, "cpu", results, judge(PAPER.claims, results))
    return out / "asal.json"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """All seeds of both strategies; the best is above random in each, and random above it before the first round."""
    for seed in SETTING.seeds:
        keep(tmp_path, "best", seed, [0.1, 0.8 + seed / 100, 0.9])
        keep(tmp_path, "random", seed, [0.9, 0.7, 0.8 - seed / 100])
    return tmp_path


def verdicts(work: Path) -> list[Verdict]:
    return [each.verdict for each in judge(PAPER.claims, load_results(PAPER.presets["cpu"], work))]


def test_an_ordering_holds_where_every_seed_shows_it(work: Path) -> None:
    assert verdicts(work) == [Verdict.HOLDS]


def test_one_seed_that_shows_the_opposite_is_enough_to_say_no(work: Path) -> None:
    keep(work, "best", 1, [0.1, 0.3, 0.4])
    assert verdicts(work) == [Verdict.FAILS]


def test_a_claim_whose_units_are_missing_is_not_run_and_says_which(work: Path) -> None:
    (work / "digits" / "units" / "random-2.json").unlink()
    (judged,) = judge(PAPER.claims, load_results(PAPER.presets["cpu"], work))
    assert judged.verdict is Verdict.NOT_RUN
    assert judged.why == "2 of 3 seeds of random in digits are finished"


def test_a_unit_made_with_other_parameters_counts_as_missing(work: Path) -> None:
    unit_store(SETTING, work).narrowed({"other": 1}).save("random-0", {"labels": [], "accuracy": []})
    assert verdicts(work) == [Verdict.NOT_RUN]


def test_what_was_made_for_other_parameters_is_not_served(work: Path) -> None:
    def left(**parameters: int) -> set[str]:
        folder = recipe.served_folder(replace(SETTING, parameters=parameters), work)
        found = {path.name for path in folder.iterdir()} - {"made-for.json"}
        (folder / "index").mkdir(exist_ok=True)
        (folder / "pool.npy").touch()
        return found

    assert left(pool=100) == {"units"}
    assert left(pool=100) == {"units", "index", "pool.npy"}
    assert left(pool=200) == {"units"}
    assert verdicts(work) == [Verdict.HOLDS]  # whether a unit still counts, its own parameters say


def test_json_figures_and_report_are_written_and_leave_the_rounds_out(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stored = read_json(publish(work, out))
    assert stored["claims"]["best-above-random"]["verdict"] == "holds"
    assert set(stored["results digits"]["best"]["0"]) == {"labels", "accuracy"}
    assert (out / "digits.png").exists()
    report = (out / "REPORT.md").read_text()
    assert "+11.00 ± 1.00 points, higher in 3 of 3 seeds" in report
    assert "| labels | 500 | 30 | time |" in report


def test_a_published_json_is_extended_in_another_folder(work: Path, tmp_path: Path) -> None:
    first = publish(work, tmp_path / "out")
    keep(tmp_path / "anew", "best", 0, [0.1, 0.2, 0.3])
    take_up(first, PAPER, PAPER.presets["cpu"], tmp_path / "anew")
    again = load_results(PAPER.presets["cpu"], tmp_path / "anew").finished["digits"]
    assert {name: sorted(runs) for name, runs in again.items()} == {"best": [0, 1, 2], "random": [0, 1, 2]}
    assert again["best"][0]["accuracy"] == [0.1, 0.2, 0.3]  # what was finished here is kept
    assert again["best"][1]["accuracy"] == [0.1, 0.81, 0.9]
    assert again["best"][1]["published"]["time"] == read_json(first)["time"]
    second = read_json(publish(tmp_path / "anew", tmp_path / "again"))
    assert second["results digits"]["random"]["2"]["published"] == again["random"][2]["published"]
    assert "Of 6 units, 5 are of runs published before" in (tmp_path / "again" / "REPORT.md").read_text()
    assert "published before" not in (tmp_path / "out" / "REPORT.md").read_text()


def test_what_was_published_of_other_parameters_is_not_taken_up(work: Path, tmp_path: Path) -> None:
    first = publish(work, tmp_path / "out")
    renamed = replace(
        SETTING,
        name="renamed",
        strategies={**SETTING.strategies, "best": PaperStrategy(text="the best", parameters={"passes": 2})},
    )
    larger = replace(SETTING, name="larger", parameters={"budget": 20})
    preset = Preset(settings=[renamed, larger])
    take_up(first, PAPER, preset, tmp_path / "anew")
    finished = load_results(preset, tmp_path / "anew").finished
    assert {name: sorted(runs) for name, runs in finished.items()} == {"renamed": ["random"]}


def test_only_what_says_that_it_is_of_this_paper_and_these_strategies_is_extended(
    work: Path, tmp_path: Path
) -> None:
    first = publish(work, tmp_path / "out")
    with pytest.raises(BenchmarkError, match="holds no results of bgadl"):
        take_up(first, replace(PAPER, name="bgadl"), PAPER.presets["cpu"], tmp_path / "anew")
    value = read_json(first)
    del value["settings"]["digits"]["strategies"]
    write_json(first, value)
    with pytest.raises(BenchmarkError, match="does not say what its strategies were"):
        take_up(first, PAPER, PAPER.presets["cpu"], tmp_path / "anew")


def test_what_has_the_same_labels_all_along_is_drawn_over_those_of_the_others() -> None:
    grown = {"labels": [10, 20, 30], "accuracy": [0.1, 0.2, 0.3]}
    whole = {"labels": [60_000] * 3, "accuracy": [0.4, 0.4, 0.5]}
    figure = curves_figure(SETTING, {"best": {0: whole}, "random": {0: grown}})
    lines = {line.get_label(): line.get_xdata().tolist() for line in figure.axes[0].get_lines()}
    assert lines == {"best, 60,000 labels": [10, 20, 30], "random": [10, 20, 30]}


def test_the_report_of_nothing_says_so(tmp_path: Path) -> None:
    results = load_results(PAPER.presets["cpu"], tmp_path)
    report = render_report(PAPER, "cpu", results, judge(PAPER.claims, results), describe_environment())
    assert "not run 1" in report
    assert "Not run yet" in report


def test_the_last_line_counts_the_verdicts(work: Path) -> None:
    judged = judge(PAPER.claims, load_results(PAPER.presets["cpu"], work))
    values = recipe.closing_values("asal", judged)
    assert last_line("papers", values) == "papers paper=asal claims=1 hold=1 fail=0 not_run=0"


def test_an_unknown_paper_is_refused_by_name() -> None:
    with pytest.raises(BenchmarkError, match="no such paper: alchemy"):
        find_paper("alchemy")


@pytest.mark.parametrize("name", PAPERS)
def test_what_is_committed_was_made_with_the_preset_as_it_is(name: str) -> None:
    stored = read_json(RESULTS / name / f"{name}.json")
    preset = find_paper(name).presets["cpu"]
    assert stored["settings"] == json.loads(json.dumps(settings_to_json(preset)))
    assert {key for key in stored if key.startswith("results ")} <= {
        f"results {setting.name}" for setting in preset.settings
    }
