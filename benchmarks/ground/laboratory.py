"""One pool with its classifiers: campaigns and searches on it, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.campaigns import LabelingTask
from benchmarks.common.classifier_cache import ClassifierCache
from benchmarks.common.classifiers import logits_of, recalls
from benchmarks.common.pools import PoolRecipe
from benchmarks.ground.cells import CellBandit, cells_of
from benchmarks.ground.memory_pool import MemoryPool, TorchClassifier, principal_components
from benchmarks.ground.trials import FeaturesName, Trial
from query_server.selection import strategies
from query_server.selection.batches.choose import choose_batch
from query_server.selection.batches.registry import batch_rule
from query_server.selection.batches.rule import Shortlist
from query_server.selection.evidence import LabeledSet
from query_server.selection.memory import Memory
from query_server.selection.policy import fixed
from query_server.selection.round import Round
from query_server.selection.sources import PROPOSAL_SOURCES
from query_server.selection.values import BatchChoice, Source, SynthesisOptions
from query_server.timing import StageClock
from samples.preprocess import Preprocessing

Int64 = NDArray[np.int64]
Float32 = NDArray[np.float32]

_COMPONENTS = 50
_REFRESH_ROUNDS = 3
_PROBES = 3  # classifiers whose probabilities make a relevance vector
_CHUNK = 5000


class Laboratory:
    """What every trial on one pool shares.

    Args:
        recipe: The pool's sizes.
        task: Its samples and labels.
        classifiers: Folder where trained classifiers are kept.
    """

    def __init__(self, recipe: PoolRecipe, task: LabelingTask, classifiers: Path) -> None:
        self._recipe = recipe
        self._task = task
        self._cache = ClassifierCache(classifiers)
        raw = task.pool_raw
        value_range = (float(raw.min()), float(raw.max()))
        to_input = Preprocessing.infer(raw.shape[1:], raw.dtype, value_range).to_input
        x = to_input(raw)
        self._test_x = to_input(task.test_raw)
        pixels = principal_components(x.reshape(len(x), -1), _COMPONENTS)
        self._pool = MemoryPool(x, pixels)
        self._cells = cells_of(pixels)

    def campaign(self, trial: Trial, seed: int) -> dict[str, list[float]]:
        """Run a campaign; return its labels, balanced accuracies and rare samples found, one a round."""
        task, recipe = self._task, self._recipe
        rows = task.random_initial_ids(recipe.initial, seed).astype(np.int64)
        history: list[TorchClassifier] = []
        pool, made_of = self._pool, 0
        labels: list[float] = []
        tested: list[float] = []
        found: list[float] = []
        while True:
            classifier = self._fit(rows, seed)
            logits = logits_of(classifier.module, self._test_x, bfloat16=task.plan.bfloat16)
            labels.append(len(rows))
            tested.append(float(recalls(logits, task.test_y).mean()))
            found.append(int(np.isin(task.pool_y[rows], recipe.rare).sum()))
            if len(rows) >= recipe.max_labels:
                return {"labels": labels, "balanced_accuracy": tested, "rare_found": found}
            if trial.features != "pixels" and len(history) >= made_of + (_REFRESH_ROUNDS if made_of else 1):
                pool, made_of = self._over(trial.features, history), len(history)
            round_ = self._round(pool, classifier, rows, seed * 1000 + len(rows))
            self._search(round_, trial)
            rows = np.concatenate([rows, _batch(round_, trial)])
            history.append(classifier)

    def captures(self, trials: dict[str, Trial], counts: Sequence[int], seed: int) -> dict[str, list[float]]:
        """Return the capture of each search, for the classifiers of each of these numbers of random labels.

        Features are made of the classifiers before; the first has none and is not measured.
        """
        first = self._task.random_initial_ids(counts[0], seed).astype(np.int64)
        others = np.setdiff1d(np.arange(self._pool.size), first)
        rng = np.random.default_rng([seed, 1])
        order = np.concatenate([first, rng.choice(others, counts[-1] - counts[0], replace=False)])
        history = [self._fit(first, seed)]
        measured: dict[str, list[float]] = {name: [] for name in trials}
        for count in counts[1:]:
            rows = order[:count]
            classifier = self._fit(rows, seed)
            scores = np.concatenate([classifier.score(part).scores for part in self._parts()])
            scores[rows] = -np.inf
            best = np.sort(scores)[::-1][: self._recipe.budget].mean()
            pools = {
                features: self._pool if features == "pixels" else self._over(features, history)
                for features in {each.features for each in trials.values()}
            }
            for name, trial in trials.items():
                round_ = self._round(pools[trial.features], classifier, rows, seed * 1000 + count)
                self._search(round_, trial)
                seen = np.sort(round_.board.entries().scores)[::-1][: self._recipe.budget]
                measured[name].append(float(seen.mean() / best))
            history.append(classifier)
        return measured

    def _fit(self, rows: Int64, seed: int) -> TorchClassifier:
        plan = self._task.plan
        module = self._cache.train(plan, self._pool.inputs(rows), self._task.pool_y[rows], seed=seed)
        return TorchClassifier(module, self._task.classes, bfloat16=plan.bfloat16)

    def _parts(self) -> list[Float32]:
        return [self._pool.x[start : start + _CHUNK] for start in range(0, self._pool.size, _CHUNK)]

    def _over(self, features: FeaturesName, history: Sequence[TorchClassifier]) -> MemoryPool:
        """Return the pool over features made of earlier classifiers: O(N) calls of each, off the request path."""
        if features == "task":
            embedded = np.concatenate([history[-1].embed(part) for part in self._parts()])
            return self._pool.over(principal_components(embedded, _COMPONENTS))
        vectors = [
            np.concatenate([probe.score(part).probabilities for part in self._parts()])
            for probe in history[-_PROBES:]
        ]
        return self._pool.over(np.concatenate(vectors, axis=1))

    def _round(self, pool: MemoryPool, classifier: TorchClassifier, rows: Int64, seed: int) -> Round:
        return Round(
            pool=pool,
            classifier=classifier,
            open=pool.open_rows(rows),
            labeled=LabeledSet(
                rows=rows,
                pool_ids=pool.ids_of(rows),
                labels=self._task.pool_y[rows],
                classes=self._task.classes,
            ),
            memory=Memory(),
            budget=self._recipe.budget,
            synthesis=SynthesisOptions(),
            seed=seed,
            clock=StageClock(),
            checkpoint=lambda stage: None,
        )

    def _search(self, round_: Round, trial: Trial) -> None:
        sources = dict(PROPOSAL_SOURCES)
        if trial.cells:
            sources[Source.SURROGATE] = CellBandit.over(self._cells)
        strategies.search(round_, fixed(trial.shares), self._recipe.max_scored, sources)


def _batch(round_: Round, trial: Trial) -> Int64:
    entries = round_.board.entries()
    ordered = entries.take(entries.by_score())
    features = round_.pool.features(ordered.rows)
    shortlist = Shortlist(
        scores=ordered.scores,
        predicted=ordered.predicted,
        probabilities=ordered.probabilities,
        passes=None,
        features=features,
        embedding=features,
        labeled_embedding=lambda: round_.pool.features(round_.labeled.rows),
        labeled_classes=round_.labeled.labels,
        label_counts=round_.labeled.counts(),
    )
    order = choose_batch(
        batch_rule(trial.rule),
        shortlist,
        count=round_.budget,
        choice=BatchChoice(rule=trial.rule),
        rng=np.random.default_rng(round_.seed),
    )
    chosen: Int64 = ordered.rows[order[: round_.budget]]
    return chosen
