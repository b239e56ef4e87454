"""Helpers of the selection's tests: an exact pool over given features, a classifier of known scores, a round."""

from __future__ import annotations

import numpy as np
import pytest

from query_server.ascending import Ascended
from query_server.open_rows import OpenRows
from query_server.scored import Scored
from query_server.selection.evidence import LabeledSet
from query_server.selection.memory import Memory
from query_server.selection.round import Round
from query_server.selection.values import SynthesisOptions
from query_server.timing import StageClock

FIRST_ID = 1000


class ExactPool:
    """A pool over given features that searches by brute force: the definition of a nearest available neighbor.

    Model inputs are the features, and pool ids the rows counted from ``FIRST_ID``.
    """

    index_version = 1

    def __init__(self, features):
        self.all = features
        self.size = len(features)
        self.searches = 0

    def search_available(self, features, k, available):
        assert 1 <= k <= self.size
        self.searches += 1
        distances = np.linalg.norm(features[:, None] - self.all[None], axis=2).astype(np.float32)
        distances[:, ~available.mask()] = np.inf
        rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(distances, rows, 1)
        return near, np.where(np.isinf(near), -1, rows), rows.size

    def search_around(self, rows, k, available):
        return self.search_available(self.all[rows], k, available)

    def features(self, rows):
        return self.all[rows]

    inputs = features

    def ids_of(self, rows):
        return rows.astype(np.uint64) + np.uint64(FIRST_ID)

    def rows_of(self, pool_ids):
        rows = pool_ids.astype(np.int64) - FIRST_ID
        return np.where((rows >= 0) & (rows < self.size), rows, -1)


class Peak:
    """score(x) = exp(-|x - top|² / 2 width²) and class 1 on the right of the top; x is z, and its own feature."""

    def __init__(self, top, width, classes=2):
        self.classes = classes
        self.top, self.width = np.asarray(top, np.float32), width
        self.latent_dim = len(self.top)
        self.seen = []

    def scores(self, x):
        return np.exp(-np.square((x - self.top) / self.width).sum(1) / 2).astype(np.float32)

    def score(self, x, *, embedding=False):
        self.seen.append(x)
        predicted = (x[:, 0] > self.top[0]).astype(np.int64)
        return Scored(
            scores=self.scores(x),
            predicted=predicted,
            probabilities=np.eye(self.classes, dtype=np.float32)[predicted],
        )

    def prepare_ascent(self):
        """Nothing to compile."""

    def ascend(self, z, *, options, before_step):
        x = z
        for _ in range(options.steps):
            before_step()
            x = x + options.step_size * (self.top - x)
        return Ascended(x=x, latents=x, scores=self.scores(x), initial_scores=self.scores(z))

    def encode(self, x):
        return x


def labeled_set(labels, *, classes=2):
    """Return the labels {row: class} as the selection sees them."""
    rows = np.array(list(labels), np.int64)
    return LabeledSet(
        rows=rows,
        pool_ids=rows.astype(np.uint64) + np.uint64(FIRST_ID),
        labels=np.array(list(labels.values()), np.int64),
        classes=classes,
    )


@pytest.fixture
def exact_pool():
    return ExactPool


@pytest.fixture
def peak():
    return Peak


@pytest.fixture
def labels_of():
    return labeled_set


@pytest.fixture
def plane():
    """A pool of 600 points of a standard normal plane."""
    return ExactPool(np.random.default_rng(7).standard_normal((600, 2)).astype(np.float32))


@pytest.fixture
def make_round(plane):
    """Makes a round on the plane (or another pool) with a peak off its center; labeled rows are not open."""

    def make(
        *, pool=plane, classifier=None, labels=None, classes=2, closed=(), memory=None, budget=10, seed=3
    ):
        taken = np.array([*(labels or ()), *closed], np.int64)
        return Round(
            pool=pool,
            classifier=classifier or Peak((1.0, 0.5), 0.5, classes),
            open=OpenRows(pool.size, taken),
            labeled=labeled_set(labels or {}, classes=classes),
            memory=memory or Memory(),
            budget=budget,
            synthesis=SynthesisOptions(steps=20, step_size=0.1),
            seed=seed,
            clock=StageClock(),
            checkpoint=lambda stage: None,
            score_bound=1.0,
        )

    return make
