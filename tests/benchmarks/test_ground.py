"""The recipe on scikit-learn's digits, and its source and features that the product does not have."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from processes import run_recipe

from benchmarks.common.markdown import NONE
from benchmarks.common.pools import POOLS
from benchmarks.ground.laboratory import Laboratory
from benchmarks.ground.memory_pool import principal_components
from benchmarks.ground.report import verdict
from benchmarks.ground.trials import CAMPAIGNS, SEARCHES


def test_every_trial_is_measured_and_reported(tmp_path: Path) -> None:
    assert run_recipe("ground", "--quick", "--out", tmp_path)[-1].startswith("ground digits_subset_top=0.")
    pool = json.loads((tmp_path / "ground.json").read_text())["pool digits"]
    assert pool["campaigns"].keys() == CAMPAIGNS.keys()
    assert all(each["labels"] == [20, 30, 40] for each in pool["campaigns"].values())
    captures = {name: np.mean(each["capture"]) for name, each in pool["captures"].items()}
    assert captures.keys() == SEARCHES.keys()
    assert all(captures["subset"] < captures[name] <= 1.001 for name in ("surrogate", "climb"))
    report = (tmp_path / "REPORT.md").read_text()
    assert all(each.text in report for each in (*CAMPAIGNS.values(), *SEARCHES.values()))


@pytest.mark.parametrize("name", ["cells", "task-climb", "relevance-climb"])
def test_a_search_never_scores_labeled_samples_or_one_twice(name: str, tmp_path: Path) -> None:
    recipe = POOLS["digits"].quick()
    laboratory = Laboratory(recipe, recipe.load(tmp_path), tmp_path)
    captures = laboratory.captures({name: SEARCHES[name]}, (20, 30, 40), seed=0)[name]
    assert len(captures) == 2
    # Scoring a labeled sample or one twice would put scores into the batch that the divisor has not.
    assert all(0.3 < each <= 1.001 for each in captures)


def test_principal_components_keep_distances_when_none_is_left_out() -> None:
    values = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    kept = principal_components(values, 6)
    norms = [np.linalg.norm(each[:, None] - each, axis=2) for each in (values, kept)]
    np.testing.assert_allclose(norms[0], norms[1], atol=1e-4)
    assert principal_components(values, 2).var() > kept.var()  # the largest come first


def test_a_verdict_needs_more_than_the_spread() -> None:
    pool = {
        "campaigns": {
            "ours": {"balanced_accuracy": [[0.80], [0.84]]},
            "level": {"balanced_accuracy": [[0.80], [0.82]]},
            "near": {"balanced_accuracy": [[0.78], [0.81]]},
            "worse": {"balanced_accuracy": [[0.70], [0.72]]},
            "once": {"balanced_accuracy": [[0.90]]},
        }
    }
    assert verdict(pool, "ours", "level") == "level (+1.0)"
    assert (
        verdict(pool, "ours", "near") == "level (+2.5)"
    )  # two seeds spread by 2.8, as a sample's spread is reckoned
    assert verdict(pool, "ours", "worse") == "better (+11.0)"
    assert verdict(pool, "worse", "ours") == "worse (-11.0)"
    assert verdict(pool, "once", "once") == NONE
