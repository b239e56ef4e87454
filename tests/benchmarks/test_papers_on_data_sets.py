"""Papers' recipes on slices of the papers' own data: MNIST to USPS, steel defects. What is missing is skipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.datasets import datasets_folder
from benchmarks.papers.asal import PAPER as ASAL
from benchmarks.papers.finished import load_results
from benchmarks.papers.paper import Paper, Preset, Setting
from benchmarks.papers.recipe import run_setting
from benchmarks.papers.records import Results
from benchmarks.papers.vab_al import PAPER as VAB_AL


def needs(*files: str) -> pytest.MarkDecorator:
    missing = [file for file in files if not (datasets_folder() / file).exists()]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not in {datasets_folder()}")


def run(paper: Paper, setting: Setting, names: list[str], work: Path) -> Results:
    chosen = replace(setting, strategies={name: setting.strategies[name] for name in names})
    run_setting(paper, chosen, work, strategies=(), processes=1)
    return load_results(Preset(settings=(chosen,)), work)


@needs("mnist.npz", "usps.npz")
def test_what_learns_from_mnist_is_tested_on_usps_after_every_round(tmp_path: Path) -> None:
    """ASAL's appendix E, 5 against 7."""
    whole = ASAL.presets["full"].settings[0]
    sizes = {"pool": 1500, "test": 500, "initial_per_class": 5, "budget": 5, "max_labels": 20}
    setting = replace(whole, parameters={**whole.parameters, **sizes}, seeds=(0,), rounds=2)
    names = ["random-entropy", "exhaustive-entropy", "supervised-entropy"]
    results = run(ASAL, setting, names, tmp_path)
    runs = {name: each[0] for name, each in results.finished["mnist-two"].items()}
    assert runs["random-entropy"]["labels"] == [10, 15, 20]
    assert all(len(runs[name]["transfer"]["usps"]) == len(runs[name]["labels"]) for name in names)
    start = {runs[name]["transfer"]["usps"][0] for name in names[:2]}
    assert len(start) == 1  # the same labels and weights
    supervised = runs["supervised-entropy"]
    assert supervised["accuracy"][0] > supervised["transfer"]["usps"][0] > 0.7
    report = "\n".join(ASAL.sections(results))
    assert "USPS over the rounds, %" in report
    assert f"{100 * sum(runs['exhaustive-entropy']['transfer']['usps'][1:]) / 2:.2f}" in report


@needs("neu_det_gray64.npz")
def test_vab_al_and_its_rivals_select_steel_defects_of_which_one_kind_is_rare(tmp_path: Path) -> None:
    digits = VAB_AL.presets["quick"].settings[0]
    sizes = {"dataset": "neu", "rare": 0, "pool": 150, "test": 60, "initial": 12, "budget": 6, "rounds": 1}
    kept = {name: value for name, value in digits.parameters.items() if name != "dominant"}
    setting = replace(digits, name="neu-rare", parameters={**kept, **sizes}, rounds=1)
    names = ["vab-al", "vab-al-sublinear", "mc-dropout", "coreset", "vaal"]
    found = run(VAB_AL, setting, names, tmp_path).finished["neu-rare"]
    for name in names:
        record = found[name][0]
        assert record["labels"] == [12, 18], name
        assert len(record["counts"][0]) == 6 and sum(record["counts"][0]) == 6, name
        assert record["scored"] == [15 if name.endswith("sublinear") else 138], name
    assert len({found[name][0]["accuracy"][0] for name in names}) == 1  # the same labels and network
