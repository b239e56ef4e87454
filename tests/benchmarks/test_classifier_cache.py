from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.common import classifier_cache
from benchmarks.common.classifier_cache import ClassifierCache, classifier_digest
from benchmarks.common.classifiers import TrainingPlan, digits_net, train_classifier

PLAN = TrainingPlan(build=digits_net, epochs=1, batch_size=8, learning_rate=1e-3)


@pytest.fixture
def labeled() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((20, 1, 8, 8)).astype(np.float32), np.arange(20) % 10


def test_a_kept_classifier_is_the_one_training_gives(
    labeled: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ClassifierCache(tmp_path)
    cache.train(PLAN, *labeled, seed=3)
    expected = train_classifier(PLAN, *labeled, seed=3)
    monkeypatch.delattr(classifier_cache, "train_classifier")  # from here on there is no training
    kept = cache.train(PLAN, *labeled, seed=3)
    assert not kept.training
    assert all(torch.equal(a, b) for a, b in zip(kept.parameters(), expected.parameters(), strict=True))


def test_half_a_file_is_trained_anew(labeled: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    cache = ClassifierCache(tmp_path)
    whole = cache.train(PLAN, *labeled, seed=3)
    (file,) = tmp_path.glob("*.pt")
    file.write_bytes(file.read_bytes()[:500])
    again = cache.train(PLAN, *labeled, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_plan_seed_samples_labels_and_order_all_name_another_classifier(
    labeled: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = labeled
    digests = {
        classifier_digest(PLAN, x, y, seed=0),
        classifier_digest(PLAN, x, y, seed=1),
        classifier_digest(replace(PLAN, epochs=2), x, y, seed=0),
        classifier_digest(PLAN, x[::-1], y[::-1], seed=0),
        classifier_digest(PLAN, x, y[::-1], seed=0),
        classifier_digest(PLAN, x + 1, y, seed=0),
    }
    assert len(digests) == 6
    assert classifier_digest(PLAN, x.copy(), y.copy(), seed=0) in digests
