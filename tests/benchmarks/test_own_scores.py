"""VaB-AL's and M2-VAAL's papers: pools as the papers thin them, equal starts, and claims that find their units."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.papers.claims import Verdict, judge
from benchmarks.papers.m2_vaal import PAPER as M2_VAAL
from benchmarks.papers.m2_vaal.run import choice_of
from benchmarks.papers.own_scores import networks
from benchmarks.papers.own_scores.data import initial_ids, load_task
from benchmarks.papers.paper import Unit
from benchmarks.papers.records import Results
from benchmarks.papers.together import PAPER as TOGETHER
from benchmarks.papers.vab_al import PAPER as VAB_AL
from benchmarks.papers.vab_al.claims import rare_share
from client import Dowser, Exhaustive, Random
from trainer.scores.deep_features import DeepFeatures

RECORD = {
    "labels": [10, 20, 30],
    "accuracy": [0.5, 0.6, 0.7],
    "wrong": [0.3, 0.2],
    "scored": [100, 90],
    "select_seconds": [0.1, 0.1],
    "counts": [[5, 5], [1, 9]],
}


def test_a_dominant_pool_has_one_class_whole_and_a_tenth_of_the_others() -> None:
    whole, thinned = load_task({"dataset": "digits"}), load_task({"dataset": "digits", "dominant": 0})
    before, after = (np.bincount(task.pool_y, minlength=10) for task in (whole, thinned))
    assert after[0] == before[0]
    np.testing.assert_array_equal(after[1:], np.round(before[1:] / 10).astype(int))
    np.testing.assert_array_equal(np.sort(whole.test_y), np.sort(thinned.test_y))


def test_a_rare_pool_has_a_tenth_of_one_class() -> None:
    before = np.bincount(load_task({"dataset": "digits"}).pool_y)
    after = np.bincount(load_task({"dataset": "digits", "rare": 3, "pool": None}).pool_y)
    assert after[3] == round(before[3] / 10)
    assert (np.delete(after, 3) == np.delete(before, 3)).all()


def test_a_start_of_some_classes_has_no_other_and_is_the_same_for_a_seed() -> None:
    parameters = {"dataset": "digits", "initial": 30, "start_classes": [2, 4, 7]}
    task = load_task(parameters)
    first, again, other = (initial_ids(task, parameters, seed) for seed in (0, 0, 1))
    assert set(task.pool_y[first.astype(int)].tolist()) == {2, 4, 7}
    assert first.tolist() == again.tolist() != other.tolist()
    assert len(set(first.tolist())) == 30


@pytest.mark.parametrize("paper", [VAB_AL, M2_VAAL, TOGETHER], ids=lambda paper: paper.name)
@pytest.mark.parametrize("preset", ["cpu", "full"])
def test_every_claim_is_judged_once_all_units_are_there(paper, preset: str) -> None:
    chosen = paper.presets[preset]
    finished = {
        setting.name: {
            name: {seed: {**RECORD, "accuracy": [0.5, 0.6, 0.7 + seed / 100]} for seed in setting.seeds}
            for name in setting.strategies
        }
        for setting in chosen.settings
    }
    judged = judge(paper.claims, Results(preset=chosen, finished=finished))
    assert [each.claim.name for each in judged if each.verdict is Verdict.NOT_RUN] == []
    nothing = judge(paper.claims, Results(preset=chosen, finished={}))
    assert all(each.verdict is Verdict.NOT_RUN for each in nothing)
    assert paper.sections(Results(preset=chosen, finished=finished))


def test_the_share_of_rare_picks_counts_all_but_the_dominant_class() -> None:
    assert rare_share(RECORD) == pytest.approx(70)


def test_strategies_choose_as_they_are_called() -> None:
    (setting, *_) = M2_VAAL.presets["quick"].settings
    chosen = {name: choice_of(Unit(setting=setting, strategy=name, seed=0)) for name in setting.strategies}
    assert isinstance(chosen["random"].strategy, Random)
    assert isinstance(chosen["algorithm-2"].strategy, Exhaustive)
    assert chosen["algorithm-2"].rule == "anchor_confidence"
    assert chosen["algorithm-1"].rule == "anchor_distance"
    assert chosen["entropy"].acquisition == "maximum_entropy"
    sublinear = chosen["algorithm-2-sublinear"]
    assert isinstance(sublinear.strategy, Dowser)
    assert sublinear.strategy.max_scored == 129  # of 1,297 digits
    assert sublinear.rule == "anchor_confidence"


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_networks_give_an_embedding_and_features_of_every_stage(name: str) -> None:
    module = networks.build(name, (3, 32, 32), 10, seed=0).eval()
    with torch.no_grad():
        logits, embedding, features = DeepFeatures(module, networks.LAYERS[name])(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 10)
    assert embedding is not None and embedding.shape == (2, 64 if name == "small" else 512)
    sizes = {"small": [16, 32, 64], "resnet18": [64, 128, 256, 512]}[name]
    assert [each.shape[1] for each in features] == sizes
