from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.common.campaigns import LabelingTask, run_campaign
from benchmarks.common.classifiers import TrainingPlan, digits_net
from client import ClassifierExporter, Client, Dowser, Random

PLAN = TrainingPlan(build=digits_net, epochs=4, batch_size=20, learning_rate=2e-3)


@pytest.fixture(scope="module")
def task(digits: Any) -> LabelingTask:
    return LabelingTask(
        pool_raw=digits.pool,
        pool_y=digits.pool_labels,
        test_raw=digits.test,
        test_y=digits.test_labels,
        plan=PLAN,
        classes=10,
    )


def test_initial_labels_are_balanced_and_depend_on_the_seed_alone(task: LabelingTask) -> None:
    first, again, other = task.initial_ids(3, 7), task.initial_ids(3, 7), task.initial_ids(3, 8)
    assert np.bincount(task.pool_y[first.astype(int)]).tolist() == [3] * 10
    assert len(set(first.tolist())) == 30
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.fixture(scope="module")
def records(task: LabelingTask, server: Any) -> dict[str, dict[str, Any]]:
    """Two strategies, two rounds each, on the real server; "random" runs twice, as after an interruption."""
    strategies = {"random": Random(), "again": Random(), "dowser": Dowser(max_scored=40, steps=5)}
    made = {}
    with Client.connect(server.target) as client:
        exporter = ClassifierExporter(client.get_pool().input_shape)
        for name, strategy in strategies.items():
            campaign = "benchmarks-random" if name == "again" else f"benchmarks-{name}"
            made[name] = run_campaign(
                client,
                task,
                name=campaign,
                strategy=strategy,
                initial=task.initial_ids(2, 0),
                budget=10,
                max_labels=40,
                seed=0,
                export=exporter,
            )
        assert not [each for each in client.list_campaigns() if each.name.startswith("benchmarks-")]
    return made


def test_accuracy_is_measured_before_the_first_round_and_after_the_last(records: dict[str, Any]) -> None:
    record = records["dowser"]
    assert record["labels"] == [20, 30, 40]
    assert len(record["accuracy"]) == 3 and len(record["rounds"]) == 2


def test_strategies_of_a_seed_start_from_the_same_classifier(records: dict[str, Any]) -> None:
    assert records["random"]["accuracy"][0] == records["dowser"]["accuracy"][0]


def test_a_campaign_left_behind_is_run_anew_with_the_same_result(records: dict[str, Any]) -> None:
    assert records["again"]["accuracy"] == records["random"]["accuracy"]
    assert records["again"]["rounds"][1]["pool_ids"] == records["random"]["rounds"][1]["pool_ids"]


def test_entropy_is_measured_for_random_picks_too(records: dict[str, Any]) -> None:
    for record in records.values():
        assert all(len(each["entropy"]) == 10 and min(each["entropy"]) >= 0 for each in record["rounds"])


def test_a_record_says_what_was_scored_and_picked(records: dict[str, Any]) -> None:
    last = records["dowser"]["rounds"][-1]
    assert last["scored"] == 40 and last["match_gap"] is not None
    assert sum(last["label_counts"]) == 10
    assert {"synthesize", "search", "score"} <= set(last["stages"])
