from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from processes import run_recipe
from torch import nn

from benchmarks.capture.recipe import choose_searches, training_ids
from benchmarks.capture.scores import TopScores, top_scores
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.pools import POOLS


def test_the_best_batch_is_that_of_what_is_left() -> None:
    best = TopScores(np.array([7, 3, 5, 1]), np.array([4.0, 3.0, 2.0, 1.0]))
    assert best.mean_of_best(2, without=np.array([], int)) == pytest.approx(3.5)
    assert best.mean_of_best(2, without=np.array([7, 5])) == pytest.approx(2.0)
    with pytest.raises(ValueError, match="3 were asked for"):
        best.mean_of_best(3, without=np.array([7, 5]))


@pytest.mark.parametrize("bfloat16", [False, True])
def test_the_highest_scores_are_kept_and_found_again(tmp_path: Path, bfloat16: bool) -> None:
    p = np.linspace(0.01, 0.5, 20)  # entropy rises with p
    raw = np.log(np.stack([p, 1 - p], 1)).astype(np.float32)
    path = tmp_path / "scores" / "classifier.npz"
    first = top_scores(nn.Flatten(), raw, lambda x: x, path, bfloat16=bfloat16)
    assert first.ids.tolist() == list(range(19, -1, -1))
    assert first.scores[0] == pytest.approx(np.log(2), abs=1e-6)
    again = top_scores(nn.Flatten(), raw[:0], lambda x: x, path, bfloat16=bfloat16)  # nothing to score
    assert np.array_equal(again.ids, first.ids) and np.array_equal(again.scores, first.scores)


def test_classifiers_are_trained_on_ever_more_of_the_same_samples(tmp_path: Path) -> None:
    task = POOLS["digits-rare"].load(tmp_path)
    ids = training_ids(task, (30, 60, 90), 0)
    assert len(set(ids.tolist())) == 90
    assert set(task.pool_y[ids[:30]].tolist()) == set(range(10))


def test_bounded_searches_are_run_at_every_bound_and_the_server_scans_small_pools_alone() -> None:
    chosen = choose_searches("", (500, 1000), 50_000)
    assert chosen["search_500"][1] == 500 and chosen["subset_1000"][1] == 1000
    assert "exhaustive" in chosen and "exhaustive" not in choose_searches("", (500,), 1_000_000)
    with pytest.raises(BenchmarkError, match="serch"):
        choose_searches("serch", (500,), 50_000)


def test_exhaustive_scoring_captures_everything_and_the_subset_beats_random(
    tmp_path: Path, recipe_work: Path
) -> None:
    searches = "random,subset,exhaustive"
    places = ("--out", tmp_path, "--work", recipe_work)
    printed = run_recipe("capture", "--quick", "--pool", "digits", "--searches", searches, *places)
    assert printed[-1].startswith("capture search_500=nan")
    found = json.loads((tmp_path / "digits-quick.json").read_text())["searches"]
    capture = {name: np.mean(each["capture"]) for name, each in found.items()}
    assert capture["exhaustive"] == pytest.approx(1.0, abs=1e-3)
    assert capture["random"] < capture["subset_500"] < 1
    assert "| random subset |" in (tmp_path / "REPORT.md").read_text()
