from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from samples import open_samples
from trainer import TrainerError
from trainer.labels import read_labels


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four samples whose pool ids are neither rows nor in order."""
    path = tmp_path_factory.mktemp("data") / "pool.npz"
    np.savez(path, x=np.zeros((4, 3), np.float32), pool_ids=np.array([70, 5, 2**63, 9], np.uint64))
    return path


@pytest.mark.parametrize("header", ["", "pool_id,label\n", "\ufeff", "\ufeffpool_id,label\n"])
def test_a_csv_names_pool_ids(named: Path, tmp_path: Path, header: str) -> None:
    (tmp_path / "labels.csv").write_text(f"{header}{2**63},cat\n\n70, dog\n5,cat\n5,cat\n")
    labels = read_labels(tmp_path / "labels.csv", open_samples(named))
    assert labels.rows.tolist() == [1, 0, 2]
    assert [labels.names[one] for one in labels.classes] == ["cat", "dog", "cat"]


def test_ids_are_row_numbers_where_the_pool_names_none(tmp_path: Path) -> None:
    np.save(tmp_path / "pool.npy", np.zeros((4, 3), np.float32))
    np.savez(tmp_path / "labels.npz", pool_ids=np.array([3, 0]), labels=np.array([7, 4]))
    labels = read_labels(tmp_path / "labels.npz", open_samples(tmp_path / "pool.npy"))
    assert (labels.rows.tolist(), labels.classes.tolist(), labels.names) == (
        [0, 3],
        [0, 1],
        ("4", "7"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no labels"),
        ("pool_id,label\n", "holds no labels"),
        ("70,1\n5\n", "line 2 is no pool_id,label: 5"),
        ("70,1\n-5,1\n", "line 2 is no pool_id,label"),
        ("70,1\n5, \n", "line 2 is no pool_id,label"),
        ("70,1\n" + "5" * 5000 + ",1\n", "line 2 is no pool_id,label"),
        ("70,1\n70,2\n", "70 is labeled in two ways"),
        ("70,1\n71,2\n", r"1 of 2 pool ids are not in .*pool.npz \(such as 71\)"),
    ],
)
def test_labels_that_do_not_fit_the_pool_are_refused(
    named: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(TrainerError, match=message):
        read_labels(tmp_path / "labels.csv", open_samples(named))


def test_an_npz_without_labels_is_refused(named: Path) -> None:
    with pytest.raises(TrainerError, match="pool_ids and labels"):
        read_labels(named, open_samples(named))


def test_classes_are_numbered_as_a_run_numbers_them(named: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("70,dog\n5,cat\n")
    labels = read_labels(tmp_path / "labels.csv", open_samples(named))
    renumbered = labels.numbered_as(["bird", "cat", "dog"])
    assert [renumbered.names[one] for one in renumbered.classes] == ["cat", "dog"]
    with pytest.raises(TrainerError, match="knows no class cat"):
        labels.numbered_as(["dog"])
