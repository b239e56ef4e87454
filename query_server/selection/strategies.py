"""The strategies of a round: Dowser's own, and the baselines it is held against.

Each turns (classifier, pool, available rows, budget) into ranked candidates. All but the exhaustive one cost the same
at any pool size, but for the draw and the mask over the N rows, which touch no sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from query_server.selection.ascent import synthesize
from query_server.selection.matching import nearest_many, nearest_unshared
from query_server.selection.ports import Checkpoint, Classifier, Float32, Int64, Mask, Pool
from query_server.selection.values import Candidates, DowserStrategy, RandomSubsetStrategy, Source
from query_server.timing import StageClock

_CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class Round:
    """What every strategy works with.

    Attributes:
        pool: The real samples.
        available: Rows neither labeled nor leased, bool [N], at least ``budget`` of them.
        budget: Samples to pick, B.
        rng: The round's randomness.
        clock: Times the stages.
        checkpoint: Called between steps; raises once the caller no longer waits.
    """

    pool: Pool
    available: Mask
    budget: int
    rng: np.random.Generator
    clock: StageClock
    checkpoint: Checkpoint

    def score(self, classifier: Classifier, rows: Int64) -> tuple[Float32, Int64]:
        """Read and score rows; O(len(rows)) classifier calls, in chunks so that memory stays bounded."""
        scores = np.empty(len(rows), np.float32)
        predicted = np.empty(len(rows), np.int64)
        for part in _chunks(len(rows)):
            self.checkpoint("score")
            with self.clock.stage("read"):
                x = self.pool.inputs(rows[part])
            with self.clock.stage("score"):
                said = classifier.score(x)
            scores[part], predicted[part] = said.scores, said.predicted
        return scores, predicted

    def draw(self, count: int) -> Int64:
        """Draw up to ``count`` distinct available rows uniformly.

        Rows are drawn from all N and rejected where unavailable, so that nothing of size N is made unless most of
        the pool is gone.
        """
        with self.clock.stage("draw"):
            free = int(np.count_nonzero(self.available))
            count = min(count, free)
            if 2 * (self.pool.size - free + count) > self.pool.size:
                return self.rng.permutation(np.flatnonzero(self.available))[:count]
            drawn = np.empty(0, np.int64)
            while len(drawn) < count:
                more = self.rng.integers(0, self.pool.size, 2 * count)
                merged = np.concatenate([drawn, more[self.available[more]]])
                _, first = np.unique(merged, return_index=True)
                drawn = merged[np.sort(first)]
            return drawn[:count]


def dowser(round_: Round, classifier: Classifier, strategy: DowserStrategy) -> Candidates:
    """Synthesize, match with real samples, and re-score the matches (ASAL with the re-scoring it lacks).

    With ``max_scored=0`` this is ASAL: the nearest real sample of every synthetic one, in the order of the synthetic
    scores. Otherwise up to ``max_scored`` matches are scored and the best come first.
    """
    latents = strategy.synthesis.latents or round_.budget
    clock = round_.clock
    with clock.stage("synthesize"):
        synthetic = synthesize(
            classifier,
            latents=latents,
            options=strategy.synthesis,
            rng=round_.rng,
            checkpoint=round_.checkpoint,
        )
    with clock.stage("encode"):
        features = classifier.encode(synthetic.x)
    round_.checkpoint("search")
    if strategy.max_scored == 0:
        order = np.argsort(-synthetic.scores, kind="stable")
        with clock.stage("search"):
            matches = nearest_unshared(
                round_.pool, features[order], count=round_.budget, available=round_.available
            )
        led_by = order[matches.synthetic]
        ranked = np.arange(len(matches.rows))
        # Scored only to explain the picks; the order is the synthetic samples'.
        scores, predicted = round_.score(classifier, matches.rows)
    else:
        with clock.stage("search"):
            matches = nearest_many(
                round_.pool, features, count=strategy.max_scored, available=round_.available
            )
        led_by = matches.synthetic
        scores, predicted = round_.score(classifier, matches.rows)
        ranked = np.argsort(-scores, kind="stable")
    return Candidates(
        source=Source.SYNTHESIS,
        rows=matches.rows[ranked],
        scores=scores[ranked],
        predicted=predicted[ranked],
        synthetic=led_by[ranked],
        distances=matches.distances[ranked],
        scored=len(matches.rows),
        visited=matches.visited,
        synthetic_samples=synthetic,
        match_gap=float(synthetic.scores.mean() - scores.mean()),
    )


def exhaustive(round_: Round, classifier: Classifier) -> Candidates:
    """Score every available sample: the O(N) reference."""
    rows = np.flatnonzero(round_.available)
    return _scored(round_, classifier, rows, Source.EXHAUSTIVE)


def random_subset(round_: Round, classifier: Classifier, strategy: RandomSubsetStrategy) -> Candidates:
    """Score a uniform subset and rank it: the rival that costs the same as Dowser."""
    return _scored(round_, classifier, round_.draw(strategy.max_scored), Source.RANDOM)


def random(round_: Round, classifier: Classifier | None) -> Candidates:
    """Draw uniformly; the picks are scored where there is a classifier, to explain them."""
    rows = round_.draw(round_.budget)
    scores = np.full(len(rows), np.nan, np.float32)
    predicted = np.full(len(rows), -1, np.int64)
    if classifier is not None:
        scores, predicted = round_.score(classifier, rows)
    return Candidates(
        source=Source.RANDOM,
        rows=rows,
        scores=scores,
        predicted=predicted,
        synthetic=np.full(len(rows), -1, np.int64),
        distances=np.full(len(rows), np.nan, np.float32),
        scored=0 if classifier is None else len(rows),
    )


def _scored(round_: Round, classifier: Classifier, rows: Int64, source: Source) -> Candidates:
    scores, predicted = round_.score(classifier, rows)
    ranked = np.argsort(-scores, kind="stable")
    return Candidates(
        source=source,
        rows=rows[ranked],
        scores=scores[ranked],
        predicted=predicted[ranked],
        synthetic=np.full(len(rows), -1, np.int64),
        distances=np.full(len(rows), np.nan, np.float32),
        scored=len(rows),
    )


def _chunks(count: int) -> Iterator[slice]:
    for start in range(0, count, _CHUNK):
        yield slice(start, start + _CHUNK)
