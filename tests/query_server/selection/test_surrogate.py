"""The surrogate on a pool in the plane whose scores are a known function of the features."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from query_server.open_rows import OpenRows
from query_server.scored import Scored
from query_server.selection import strategies
from query_server.selection.board import NUMBER_OF, Entries
from query_server.selection.evidence import LabeledSet
from query_server.selection.memory import Memory
from query_server.selection.policy import fixed
from query_server.selection.regression import predict
from query_server.selection.round import Round
from query_server.selection.values import Source, SynthesisOptions
from query_server.timing import StageClock

Rows = NDArray[np.int64]
N = 4000


class Plane:
    """Points in the square [0, 1]^2; inputs and features are their coordinates."""

    size = N
    index_version = 1

    def __init__(self) -> None:
        self.points = np.random.default_rng(0).random((N, 2)).astype(np.float32)
        self.features_read = 0

    def features(self, rows: Rows) -> NDArray[np.float32]:
        self.features_read += len(rows)
        return self.points[rows]

    def inputs(self, rows: Rows) -> NDArray[np.float32]:
        return self.points[rows]


class TwoPeaks:
    """Scores peak at (0.2, 0.2) and (0.8, 0.8), equally high; the class is 0 around the first, 1 around the other."""

    latent_dim = 0
    classes = 2

    def score(self, x: NDArray[np.float32], *, embedding: bool = False) -> Scored:
        peaks = np.stack([np.exp(-20 * np.square(x - at).sum(1)) for at in (0.2, 0.8)], 1)
        probabilities = (peaks + 1e-6) / (peaks + 1e-6).sum(1, keepdims=True)
        return Scored(
            scores=peaks.max(1).astype(np.float32),
            predicted=probabilities.argmax(1),
            probabilities=probabilities.astype(np.float32),
        )


def a_round(*, of_first: int = 20, of_second: int = 20, seed: int = 0) -> Round:
    """A round whose labels lie near the diagonal's ends."""
    pool = Plane()
    ends = np.argsort(pool.points.sum(1))
    rows = np.concatenate([ends[:of_first], ends[len(ends) - of_second :]])
    return Round(
        pool=pool,
        classifier=TwoPeaks(),
        open=OpenRows(N, rows),
        labeled=LabeledSet(
            rows=rows,
            pool_ids=rows.astype(np.uint64),
            labels=np.repeat([0, 1], [of_first, of_second]),
            classes=2,
        ),
        memory=Memory(),
        budget=10,
        synthesis=SynthesisOptions(),
        seed=seed,
        clock=StageClock(),
        checkpoint=lambda stage: None,
    )


def searched(round_: Round, **shares: float) -> tuple[Entries, Entries]:
    """Return what the surrogate and what random draws had scored."""
    strategies.search(round_, fixed({Source(name): share for name, share in shares.items()}), 200)
    entries = round_.board.entries()
    own = entries.sources == NUMBER_OF[Source.SURROGATE]
    return entries.take(np.flatnonzero(own)), entries.take(np.flatnonzero(~own))


def test_predictions_are_those_of_gaussian_process_regression() -> None:
    rng = np.random.default_rng(0)
    x, asked = (rng.normal(size=(n, 3)).astype(np.float32) for n in (40, 15))
    y = np.stack([np.sin(x[:, 0]), x[:, 1] * x[:, 2]], 1).astype(np.float32)
    squared = np.square(x[:, None] - x).sum(2)
    kernel = RBF(0.5 * np.sqrt(np.median(squared)), "fixed")
    reference = GaussianProcessRegressor(kernel, alpha=0.1, optimizer=None, normalize_y=True).fit(x, y)
    np.testing.assert_allclose(
        predict(x, y, asked, length=0.5, noise=0.1), reference.predict(asked), atol=1e-4
    )


def test_what_it_proposes_scores_higher_than_random_draws() -> None:
    ours, drawn = searched(a_round(), surrogate=0.5, random=0.5)
    assert len(ours) == len(drawn) == 100
    assert ours.scores.mean() > 2 * drawn.scores.mean()


@pytest.mark.parametrize("shares", [{"surrogate": 1.0}, {"surrogate": 0.5, "random": 0.5}])
def test_no_sample_is_scored_twice_and_no_labeled_one_at_all(shares: dict[str, float]) -> None:
    round_ = a_round()
    searched(round_, **shares)
    rows = round_.board.entries().rows
    assert len(np.unique(rows)) == len(rows) == 200
    assert not np.isin(rows, round_.labeled.rows).any()


def test_of_two_equal_peaks_that_of_the_class_with_fewer_labels_is_searched() -> None:
    ours, _ = searched(a_round(of_first=40, of_second=5), surrogate=0.5, random=0.5)
    assert np.mean(ours.predicted == 1) > 0.9


def test_it_reads_the_features_of_a_bounded_part_of_the_pool() -> None:
    round_ = a_round()
    searched(round_, surrogate=0.5, random=0.5)
    assert round_.pool.features_read <= 100 + 40 + 10 * 100  # type: ignore[attr-defined]


def test_the_same_seed_proposes_the_same() -> None:
    first, _ = searched(a_round(), surrogate=0.5, random=0.5)
    again, _ = searched(a_round(), surrogate=0.5, random=0.5)
    other, _ = searched(a_round(seed=1), surrogate=0.5, random=0.5)
    assert np.array_equal(first.rows, again.rows) and not np.array_equal(first.rows, other.rows)
