"""The active-learning loop: train, export, upload, select, ask the oracle, record; until a rule says stop.

    learner = ActiveLearner(client, campaign="digits", train=train, oracle=oracle, budget=50, max_labels=500)
    learner.seed_labels(first_ids, first_labels)
    for report in learner:
        print(report.round, report.labeled, accuracy(report.classifier))

The campaign on the server is the only state: a round trains on every label recorded there, whoever gave it,
so a loop that was stopped is resumed by running it again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from client.conversion.requests.chunks import ENTRIES_PER_CALL
from client.errors import AlreadyExistsError, DowserError, NotFoundError, invalid_argument
from client.export import ClassifierExporter
from client.local_scoring import OnnxScorer
from client.scores import Scores
from client.sync_client import Client
from client.types.acquisition import Acquisition
from client.types.campaigns import Campaign
from client.types.classifiers import ClassifierInfo, ModelSource
from client.types.pools import Pool
from client.types.selection import Selection
from client.types.strategies import Batch, Dowser, Random, Strategy

Ids: TypeAlias = NDArray[np.uint64]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RoundSeconds:
    """Where the time of a round went."""

    train: float
    export: float
    upload: float
    select: float
    label: float  # the oracle, and recording what it said


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundReport:
    """What happened in one round."""

    round: int  # the campaign's round, from 1
    selection: Selection
    labels: Labels  # int64 [budget], the oracle's answers to selection.pool_ids
    labeled: int  # labels of the campaign after this round
    trained_on: int  # labels the round's classifier was trained on
    classifier: Any  # what `train` returned
    classifier_info: ClassifierInfo | None  # what the server made of it; None where none was uploaded
    seconds: RoundSeconds


class ActiveLearner:
    """Runs rounds of active learning on one campaign.

    Args:
        client: A connected client.
        campaign: A campaign, its id, or a name; a name that does not exist yet is created.
        train: Given all ids uint64 [L] and labels int64 [L] so far, returns a classifier: a torch module, a list
            of them (a deep ensemble), or ONNX as bytes, path or `onnx.ModelProto`.
        oracle: Given ids uint64 [b], returns their labels int [b].
        budget: Samples selected a round.
        strategy: How candidates are found. `Random` needs no classifier: nothing is exported or uploaded.
        acquisition: What counts as informative.
        batch: How the batch is made of what was scored; None means the strategy's default.
        class_prior_weight: Exponent of the expected rarity, among the labels so far, that scores are multiplied by.
        export: Turns a torch module into ONNX bytes; None means `ClassifierExporter(pool.input_shape)`. Give one with
            `passes` for Monte Carlo dropout.
        stop: Asked after every round.
        max_labels: Stop once the campaign has this many labels; the last round is cut to fit. Without `stop`
            and `max_labels` the loop ends when the pool is labeled.
        pool: The pool a new campaign is made on; empty means the server's only one.
        seed: Seeds a new campaign and, with the number of labels, every selection; None leaves that to the
            server.
        annotator: Written beside each label.
        on_round: Called after every round.
        samples: Given ids uint64 [n], returns raw samples [n, *raw_shape]. Where the server does not hold them, the
            classifier is run here with onnxruntime on the candidates that the server proposes.
        score: Given what `train` returned and ids uint64 [M], returns their `Scores`: scoring by a function of your
            own, wherever the samples are. Nothing is exported or uploaded then, and nothing synthesized.

    Raises:
        InvalidArgumentError: The budget is not positive; or the server does not hold the samples, and there is no
            `samples` and no `score`, or the strategy is one that only the server can score.
        DowserError: The campaign or pool cannot be had.
    """

    def __init__(
        self,
        client: Client,
        *,
        campaign: Campaign | str,
        train: Callable[[Ids, Labels], Any],
        oracle: Callable[[Ids], NDArray[np.integer[Any]]],
        budget: int,
        strategy: Strategy = Dowser(),
        acquisition: Acquisition | str = Acquisition.MARGIN,
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        export: Callable[[Any], bytes] | None = None,
        stop: Callable[[RoundReport], bool] | None = None,
        max_labels: int | None = None,
        pool: str = "",
        seed: int | None = None,
        annotator: str = "",
        on_round: Callable[[RoundReport], None] | None = None,
        samples: Callable[[Ids], NDArray[Any]] | None = None,
        score: Callable[[Any, Ids], Scores] | None = None,
    ) -> None:
        if budget < 1:
            raise invalid_argument(f"budget must be at least 1, got {budget}", field="budget")
        self.client = client
        self.campaign = _get_or_create(client, campaign, pool=pool, seed=seed)
        self.pool: Pool = client.get_pool(self.campaign.pool)
        self._train = train
        self._oracle = oracle
        self._budget = budget
        self._strategy = strategy
        self._acquisition = acquisition
        self._batch = batch
        self._class_prior_weight = class_prior_weight
        self._export = export or ClassifierExporter(self.pool.input_shape)
        self._stop = stop
        self._max_labels = max_labels
        self._seed = seed
        self._annotator = annotator
        self._on_round = on_round
        self._samples = samples
        self._score = score
        self._scores_here = _scores_here(self.pool, strategy, samples=samples, score=score)

    def seed_labels(self, ids: Ids, labels: NDArray[np.integer[Any]]) -> int:
        """Record the initial labels; returns how many were new, 0 on a loop that is resumed."""
        return self._record(ids, labels)

    def labeled(self) -> tuple[Ids, Labels]:
        """Return the campaign's ids uint64 [L] and labels int64 [L], in the order they were recorded."""
        recorded = list(self.client.list_labels(self.campaign))
        ids = np.array([each.pool_id for each in recorded], dtype=np.uint64)
        return ids, np.array([each.label for each in recorded], dtype=np.int64)

    def fit(self) -> Any:
        """Train on all labels so far without selecting anything: the classifier at the loop's end."""
        return self._train(*self.labeled())

    def run(self) -> list[RoundReport]:
        """Run until a rule says stop; return the reports of all rounds, with every round's classifier."""
        return list(self)

    def __iter__(self) -> Iterator[RoundReport]:
        """Yield a report after each round."""
        while budget := self._next_budget():
            report = self._round(budget)
            if self._on_round is not None:
                self._on_round(report)
            yield report
            if self._stop is not None and self._stop(report):
                return

    def _next_budget(self) -> int:
        """Return how many samples to ask for next: 0 at the end."""
        self.campaign = self.client.get_campaign(self.campaign)
        budget = min(self._budget, self.campaign.unlabeled)
        if self._max_labels is not None:
            budget = min(budget, self._max_labels - self.campaign.labeled)
        return max(budget, 0)

    def _round(self, budget: int) -> RoundReport:
        ids, labels = self.labeled()
        watch = _Stopwatch()
        classifier = self._train(ids, labels)
        train_seconds = watch.lap()
        info: ClassifierInfo | None = None
        export_seconds = upload_seconds = 0.0
        scorer: Callable[[Ids], Scores] | None = None
        if self._scores_here and self._score is not None:
            scorer = partial(self._score, classifier)
        elif not isinstance(self._strategy, Random):
            model = self._to_onnx(classifier)
            export_seconds = watch.lap()
            info = self.client.upload_classifier(model, pool=self.pool.name)
            upload_seconds = watch.lap()
            if self._scores_here and self._samples is not None:
                scorer = OnnxScorer(model, self.pool, self._samples, self._acquisition)
        selection = self._select(budget, info, scorer, seed=self._round_seed(len(ids)))
        select_seconds = watch.lap()
        answers = self._ask(selection.pool_ids)
        return RoundReport(
            round=selection.round,
            selection=selection,
            labels=answers,
            labeled=self.client.get_campaign(self.campaign).labeled,
            trained_on=len(ids),
            classifier=classifier,
            classifier_info=info,
            seconds=RoundSeconds(
                train=train_seconds,
                export=export_seconds,
                upload=upload_seconds,
                select=select_seconds,
                label=watch.lap(),
            ),
        )

    def _select(
        self,
        budget: int,
        classifier: ClassifierInfo | None,
        scorer: Callable[[Ids], Scores] | None,
        *,
        seed: int | None,
    ) -> Selection:
        """Let the server score, or without the samples let it propose and score here."""
        if scorer is None:
            return self.client.select_samples(
                self.campaign,
                classifier=classifier,
                budget=budget,
                acquisition=self._acquisition,
                strategy=self._strategy,
                batch=self._batch,
                class_prior_weight=self._class_prior_weight,
                seed=seed,
            )
        return self.client.select_by_scoring(
            self.campaign,
            scorer,
            budget=budget,
            classifier=classifier,
            acquisition=self._acquisition,
            strategy=cast(Dowser, self._strategy),
            batch=self._batch,
            class_prior_weight=self._class_prior_weight,
            seed=seed,
        )

    def _ask(self, ids: Ids) -> Labels:
        """Ask the oracle and record its answers; give the samples back if that fails."""
        try:
            answers = np.asarray(self._oracle(ids))
            self._record(ids, answers)
        except BaseException:
            # The leases would outlive this loop and keep the samples from everybody else.
            with contextlib.suppress(DowserError):
                self.client.release_samples(self.campaign, ids)
            raise
        return answers.astype(np.int64)

    def _record(self, ids: Ids, labels: NDArray[np.integer[Any]]) -> int:
        labels = np.asarray(labels)
        if labels.shape != (len(ids),) or labels.dtype.kind not in "ui":
            raise invalid_argument(
                f"labels must be integers [{len(ids)}], one an id, got {labels.dtype} {list(labels.shape)}",
                field="labels",
            )
        recorded = 0
        for start in range(0, len(ids), ENTRIES_PER_CALL):
            part = slice(start, start + ENTRIES_PER_CALL)
            pairs = zip(ids[part].tolist(), labels[part].tolist(), strict=True)
            recorded += self.client.record_labels(self.campaign, pairs, annotator=self._annotator).recorded
        return recorded

    def _to_onnx(self, classifier: Any) -> ModelSource:
        if isinstance(classifier, bytes | Path) or hasattr(classifier, "SerializeToString"):
            return cast(ModelSource, classifier)
        return self._export(classifier)

    def _round_seed(self, labeled: int) -> int | None:
        """Derive the seed of a selection, so that a resumed loop draws as the unbroken one would have."""
        if self._seed is None:
            return None
        return int(np.random.SeedSequence([self._seed, labeled]).generate_state(1, np.uint64)[0])


def _scores_here(pool: Pool, strategy: Strategy, *, samples: object, score: object) -> bool:
    """Tell whether candidates are scored by this loop and not by the server; refuse what neither can do."""
    plain = isinstance(strategy, Dowser) and strategy.max_scored == 0
    if isinstance(strategy, Random) or plain or (pool.has_samples and score is None):
        return False
    if samples is None and score is None:
        raise invalid_argument(
            f"the samples of pool {pool.name!r} are not on the server: give `samples` (ids to raw samples), or "
            "`score` to score by a function of your own",
            field="samples",
        )
    if not isinstance(strategy, Dowser):
        raise invalid_argument(
            f"candidates are proposed by Dowser alone, got {strategy!r}; a random subset is "
            'Dowser(shares={"random": 1})',
            field="strategy",
        )
    return True


class _Stopwatch:
    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        """Return the seconds since the last lap."""
        now = time.perf_counter()
        elapsed, self._last = now - self._last, now
        return elapsed


def _get_or_create(client: Client, campaign: Campaign | str, *, pool: str, seed: int | None) -> Campaign:
    if isinstance(campaign, Campaign):
        return client.get_campaign(campaign)
    try:
        return client.get_campaign(campaign)
    except NotFoundError:
        pass
    try:
        return client.create_campaign(campaign, pool=pool, seed=seed or 0)
    except AlreadyExistsError:
        return client.get_campaign(campaign)  # another loop was quicker
