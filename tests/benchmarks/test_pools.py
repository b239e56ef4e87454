from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifiers import TrainingPlan, digits_net
from benchmarks.common.errors import BenchmarkError
from benchmarks.common.pools import ODD, POOLS, find_pool, plan_for, thin
from benchmarks.datasets import SOURCES, datasets_folder


def needs(file: str) -> pytest.MarkDecorator:
    path = datasets_folder() / file
    return pytest.mark.skipif(not path.exists(), reason=f"{path} is missing")


def test_thinning_keeps_a_part_of_the_named_classes_and_all_of_the_others_in_their_order() -> None:
    y = np.repeat([0, 1, 2], 200)
    rows = thin(y, (1,), 0.05, np.random.default_rng(0))
    assert np.bincount(y[rows]).tolist() == [200, 10, 200]
    assert (np.diff(rows) > 0).all()


def test_thinned_digits_are_thin_in_the_pool_alone(tmp_path: Path) -> None:
    whole, thinned = POOLS["digits"].load(tmp_path), POOLS["digits-rare"].load(tmp_path)
    before, after = np.bincount(whole.pool_y), np.bincount(thinned.pool_y)
    for c in range(10):
        assert after[c] == (round(before[c] * 0.1) if c in ODD else before[c])
    assert np.array_equal(thinned.test_y, whole.test_y)


@pytest.mark.datasets
@needs(SOURCES["mnist"].file)
def test_the_rare_digits_are_a_hundredth_of_what_there_was(tmp_path: Path) -> None:
    task = POOLS["mnist-rare"].load(tmp_path)
    assert np.bincount(task.pool_y).tolist() == [4932, 57, 4968, 51, 4859, 45, 4951, 52, 4842, 50]
    assert len(task.test_y) == 10_000


@pytest.mark.datasets
@needs("neu_det_gray64.npz")
def test_steel_has_a_balanced_test_set_and_no_sample_in_both(tmp_path: Path) -> None:
    task = POOLS["neu"].load(tmp_path)
    assert np.bincount(task.pool_y).tolist() == [200, 20, 200, 20, 200, 20]
    assert np.bincount(task.test_y).tolist() == [100] * 6
    pool = {each.tobytes() for each in task.pool_raw}
    assert not any(each.tobytes() in pool for each in task.test_raw)


@pytest.fixture
def skewed() -> LabelingTask:
    """A class of which 40 random draws of 1,000 nearly always miss the single sample."""
    y = np.concatenate([np.zeros(900, np.int64), np.ones(98, np.int64), [2, 3]])
    x = np.zeros((len(y), 8, 8), np.uint8)
    plan = TrainingPlan(build=digits_net, epochs=1, batch_size=8, learning_rate=1e-3)
    return LabelingTask(pool_raw=x, pool_y=y, test_raw=x, test_y=y, plan=plan, classes=4)


def test_random_initial_labels_have_every_class_and_take_from_the_most_frequent(skewed: LabelingTask) -> None:
    for seed in range(5):
        ids = skewed.random_initial_ids(40, seed).astype(int)
        counts = np.bincount(skewed.pool_y[ids], minlength=4)
        assert counts[2:].tolist() == [1, 1] and counts.sum() == len(set(ids.tolist())) == 40
        drawn = np.random.default_rng(seed).choice(1000, 40, replace=False)
        taken = np.setdiff1d(drawn, ids)
        assert len(taken) <= 2 and (skewed.pool_y[taken] == 0).all()


def test_random_initial_labels_depend_on_the_seed_alone(skewed: LabelingTask) -> None:
    first, again, other = (skewed.random_initial_ids(40, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_any_npz_with_training_and_test_arrays_is_a_pool_whose_thin_classes_are_rare(tmp_path: Path) -> None:
    y = np.repeat([0, 1, 2], [300, 30, 300])
    x = np.random.default_rng(0).integers(0, 255, (len(y), 12, 12), dtype=np.uint8)
    path = tmp_path / "steel.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x[::10], y_test=y[::10])
    pool = find_pool(str(path))
    assert (pool.name, pool.rare, pool.initial) == ("steel", (1,), 30)
    assert len(pool.load(tmp_path).pool_y) == 630


def test_an_npz_without_a_test_set_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "half.npz"
    np.savez(path, x_train=np.zeros((9, 4)), y_train=np.zeros(9, int))
    with pytest.raises(BenchmarkError, match=r"half\.npz: has no x_test, y_test"):
        find_pool(str(path))


def test_an_unknown_pool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match="mnist-rare"):
        find_pool("minst")


@pytest.mark.parametrize(
    ("raw_shape", "input_shape"),
    [
        ((8, 8), (1, 8, 8)),
        ((28, 28), (1, 28, 28)),
        ((32, 32, 3), (3, 32, 32)),
        ((20, 20), (1, 20, 20)),
        ((7,), (7,)),
    ],
)
def test_the_classifier_of_a_shape_takes_its_inputs(
    raw_shape: tuple[int, ...], input_shape: tuple[int, ...]
) -> None:
    import torch

    assert plan_for(raw_shape, 4).build()(torch.zeros(2, *input_shape)).shape == (2, 4)
