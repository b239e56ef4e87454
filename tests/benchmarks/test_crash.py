"""The witness sees every kind of lie; the recipe goes through a whole chunk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from processes import run_recipe

from benchmarks.crash.witness import Witness

NOBODY: frozenset[int] = frozenset()


@pytest.fixture
def witness() -> Witness:
    return Witness(["c"])


def label(witness: Witness, labels: dict[int, int]) -> None:
    witness.labeling("c", labels)
    witness.labeled("c", labels)


def test_the_truth_is_no_violation(witness: Witness) -> None:
    witness.leased("c", "ann", [1, 2, 3], NOBODY)
    label(witness, {1: 5})
    witness.giving_back("c", [2])
    witness.leased("c", "bob", [2], NOBODY)
    witness.retracting("c", [1])
    witness.leased("c", "bob", [1], NOBODY)
    witness.retracted("c", {1: 5})
    label(witness, {1: 6})
    witness.check_labels("c", [(1, 6)])
    assert witness.check_leases("c", [2, 3, 9]) == [9]
    assert witness.violations == []


def test_one_sample_for_two_callers_is_seen(witness: Witness) -> None:
    witness.leased("c", "ann", [1], NOBODY)
    witness.leased("c", "bob", [1], NOBODY)
    assert witness.violations == ["c: 1 leased to ann and bob"]


def test_a_labeled_sample_handed_out_is_seen(witness: Witness) -> None:
    label(witness, {1: 5})
    witness.leased("c", "bob", [1], NOBODY)
    assert witness.violations == ["c: 1 is labeled and was handed to bob"]


def test_a_removed_sample_handed_out_is_seen_and_one_removed_meanwhile_is_not(witness: Witness) -> None:
    before = witness.removed_so_far()
    witness.added({7: b"x"})
    witness.removing([7])
    witness.removed([7])
    witness.leased("c", "ann", [7], before)
    assert witness.violations == []
    witness.giving_back("c", [7])
    witness.leased("c", "ann", [7], witness.removed_so_far())
    assert witness.violations == ["c: 7 was removed and was handed to ann"]


@pytest.mark.parametrize(
    ("listed", "violation"),
    [
        ([], "c: 1 has label -1, may have [5]"),
        ([(1, 6)], "c: 1 has label 6, may have [5]"),
        ([(1, 5), (1, 5)], "c: 1 is listed with two labels"),
        ([(1, 5), (2, 0)], "c: 2 has label 0, which nobody sent"),
    ],
)
def test_lost_changed_double_and_invented_labels_are_seen(
    witness: Witness, listed: list[tuple[int, int]], violation: str
) -> None:
    label(witness, {1: 5})
    witness.check_labels("c", listed)
    assert witness.violations == [violation]


@pytest.mark.parametrize("listed", [[], [(1, 5)]])
def test_a_label_without_an_answer_may_be_there_or_not(
    witness: Witness, listed: list[tuple[int, int]]
) -> None:
    witness.leased("c", "ann", [1], NOBODY)
    witness.labeling("c", {1: 5})
    witness.check_labels("c", listed)
    witness.check_leases("c", [] if listed else [1])
    assert witness.violations == []


def test_a_lost_lease_is_seen(witness: Witness) -> None:
    witness.leased("c", "ann", [1], NOBODY)
    witness.check_leases("c", [])
    assert witness.violations == ["c: the lease of 1 to ann is lost"]


def test_an_id_given_twice_is_seen(witness: Witness) -> None:
    witness.added({7: b"x"})
    witness.added({7: b"y"})
    assert witness.violations == ["pool: 7 was given to two added samples"]


def test_a_label_to_send_is_one_the_sample_cannot_have(witness: Witness) -> None:
    witness.labeling("c", {1: 0})
    assert witness.labels_to_send("c", [1, 2]) == {1: 1, 2: 0}


def test_kills_leave_what_was_acknowledged(tmp_path: Path, recipe_work: Path) -> None:
    assert (
        run_recipe("crash", "--quick", "--out", tmp_path, "--work", recipe_work)[-1]
        == "crash kills=6 violations=0"
    )
    result = json.loads((tmp_path / "crash.json").read_text())
    assert {"select", "label", "release", "retract", "correct", "add"} <= result["acknowledged"].keys()
