from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

from trainer.data import TrainingData, open_training_data
from trainer.gaussian import fit_gaussian_mixture
from trainer.labels import Labels
from trainer.rarity import Rarity, measure_rarity


@dataclass(frozen=True)
class Thinned:
    """Real digits, classes 5 to 9 thinned to 7 % of the pool; of 85 labels 25 are theirs, as selection leaves them."""

    data: TrainingData
    truth: np.ndarray
    labels: Labels

    @property
    def rare(self) -> np.ndarray:
        return self.truth >= 5


@pytest.fixture(scope="module")
def thinned(tmp_path_factory: pytest.TempPathFactory) -> Thinned:
    images, classes = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    kept = [rng.permutation(np.flatnonzero(classes == c))[: 170 if c < 5 else 12] for c in range(10)]
    kept = rng.permutation(np.concatenate(kept))
    path = tmp_path_factory.mktemp("data") / "thinned.npy"
    np.save(path, (images[kept].reshape(-1, 8, 8) * 15.9).astype(np.uint8))
    truth = classes[kept]
    common, rare = (rng.permutation(np.flatnonzero(side)) for side in (truth < 5, truth >= 5))
    rows = np.sort(np.concatenate([common[:60], rare[:25]]))
    names, labeled = np.unique(truth[rows], return_inverse=True)
    return Thinned(
        open_training_data(path), truth, Labels(rows=rows, classes=labeled, names=tuple(map(str, names)))
    )


def drawn_rare(thinned: Thinned, rarity: Rarity, draws: int = 20_000) -> float:
    return float(thinned.rare[rarity.rows(np.random.default_rng(0).random(draws))].mean())


def made_rare(thinned: Thinned, **settings: object) -> float:
    """Return the share of a mixture's samples that a classifier of the unthinned digits takes for a rare class."""
    images, classes = load_digits(return_X_y=True)
    judge = KNeighborsClassifier(3).fit(images / 16, classes)
    generator, _ = fit_gaussian_mixture(thinned.data, components=40, rank=8, seed=0, **settings)
    x = generator(torch.randn(4000, 9, generator=torch.Generator().manual_seed(0))).numpy()
    return float((judge.predict((x.reshape(len(x), -1) + 1) / 2) >= 5).mean())


@pytest.mark.parametrize(("exponent", "factor"), [(0.5, 1.8), (1.0, 3.0)])
def test_rare_classes_are_drawn_more_often(thinned: Thinned, exponent: float, factor: float) -> None:
    rarity = measure_rarity(thinned.data, thinned.labels, exponent=exponent)
    assert rarity.weights.mean() == pytest.approx(1)
    assert drawn_rare(thinned, rarity) > factor * thinned.rare.mean()


def test_exponent_zero_draws_uniformly(thinned: Thinned) -> None:
    rarity = measure_rarity(thinned.data, thinned.labels, exponent=0)
    np.testing.assert_allclose(rarity.weights, 1)
    assert drawn_rare(thinned, rarity) == pytest.approx(thinned.rare.mean(), abs=0.01)


def test_weights_are_the_formulas(tmp_path: Path) -> None:
    # 16 samples on a line: 15 near the label "a" at 0, one at 8 between the labels at 0 and at 10.
    x = np.array([0.0] * 14 + [8.0, 10.0], np.float32)[:, None] * [1, 0] + [0, 1]
    np.save(tmp_path / "pool.npy", x.astype(np.float32))
    data = open_training_data(tmp_path / "pool.npy")
    labels = Labels(rows=np.array([0, 15]), classes=np.array([0, 1]), names=("a", "b"))
    rarity = measure_rarity(data, labels, exponent=1)
    between = 8**-2 / (8**-2 + 2**-2)  # vote of the sample at 8 for a
    counts = np.array([14 + between, 2 - between])
    factors = (counts.mean() + 1) / (counts + 1)
    expected = np.array([factors[0]] * 14 + [between * factors[0] + (1 - between) * factors[1], factors[1]])
    np.testing.assert_allclose(rarity.weights, expected / expected.mean(), rtol=1e-3)
    assert rarity.classes.tolist() == [0] * 14 + [1, 1]


def test_classes_get_the_mass_their_share_and_the_exponent_say(thinned: Thinned) -> None:
    for exponent in (0.0, 0.5, 1.0):
        rarity = measure_rarity(thinned.data, thinned.labels, exponent=exponent, conditional=True)
        masses = np.bincount(rarity.classes, rarity.weights)
        expected = np.bincount(rarity.classes) ** (1 - exponent)
        np.testing.assert_allclose(masses / masses.sum(), expected / expected.sum(), rtol=1e-6)


def test_blocks_of_any_size_give_the_same_weights(thinned: Thinned, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure_rarity(thinned.data, thinned.labels, exponent=1)
    monkeypatch.setattr("trainer.rarity._BLOCK_ROWS", 7)
    np.testing.assert_allclose(
        measure_rarity(thinned.data, thinned.labels, exponent=1).weights, whole.weights, rtol=1e-3
    )


def test_a_subset_stands_for_the_weighted_pool(thinned: Thinned) -> None:
    rarity = measure_rarity(thinned.data, thinned.labels, exponent=1)
    rows, weights = rarity.subset(500, np.random.default_rng(0))
    assert len(rows) < 500 and (np.diff(rows) > 0).all() and weights.mean() == pytest.approx(1)
    share = weights[thinned.rare[rows]].sum() / weights.sum()
    assert share == pytest.approx(rarity.weights[thinned.rare].sum() / len(thinned.truth), abs=0.06)
    assert rarity.subset(10_000, np.random.default_rng(0))[1] is rarity.weights


def test_a_weighted_mixture_makes_more_of_what_is_rare(thinned: Thinned) -> None:
    plain = made_rare(thinned)
    rarity = measure_rarity(thinned.data, thinned.labels, exponent=1)
    assert made_rare(thinned, rarity=rarity) > 2 * plain


def test_a_conditional_mixture_gives_rare_classes_components_of_their_own(thinned: Thinned) -> None:
    rarity = measure_rarity(thinned.data, thinned.labels, exponent=1)
    conditional = measure_rarity(thinned.data, thinned.labels, exponent=1, conditional=True)
    made = made_rare(thinned, rarity=conditional, conditional=True)
    assert made > 1.2 * made_rare(thinned, rarity=rarity)
