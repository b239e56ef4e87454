"""Generated companions of labeled samples that the classifier is still uncertain about.

BALD-VAE (RiTA 2019), equations 3, 4 and 7: a labeled sample whose acquisition score is at least that of the K-th pick
gets a companion x' = d(e(x)) of the same label for the next classifier's training. BGADL (ICML 2019), equation 3, gives
one to every newly labeled sample, with a generator that was trained jointly with the classifier.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from query_server.acquisition import acquisition_function
from query_server.errors import (
    invalid_argument,
    label_not_found,
    pool_not_found,
    reconstruction_unsupported,
    samples_not_stored,
)
from query_server.selection.conditions import compiled
from query_server.selection.ports import (
    Campaigns,
    Checkpoint,
    Classifier,
    Classifiers,
    Float32,
    Int64,
    Pool,
    Reconstructor,
    UInt64,
)
from query_server.selection.prepare import targets_of
from query_server.timing import StageClock, StageTiming

MAX_COMPANIONS = 4096
# Of the companions in one answer: half of a message's default limit.
MAX_BYTES = 32 * 2**20
_CHUNK = 1024


@dataclass(frozen=True, kw_only=True)
class AugmentationRequest:
    """Which labeled samples get a companion.

    Attributes:
        campaign_id: Id or name.
        classifier_id: Scores them; None only without a threshold.
        acquisition: Name of the score.
        threshold: Least score; None: all.
        selection: The request id of a selection whose least informative pick's score is the threshold; None: none.
        pool_ids: Look at these alone uint64 [n]; None: all that are labeled.
        limit: Companions at most; 0: as many as an answer holds.
    """

    campaign_id: str
    classifier_id: str | None
    acquisition: str
    threshold: float | None
    selection: str | None
    pool_ids: UInt64 | None
    limit: int


@dataclass(frozen=True, kw_only=True)
class Companions:
    """M companions, those of the most uncertain samples first.

    Attributes:
        x: Model inputs float32 [M, *input_shape].
        pool_ids: The labeled samples they were made of uint64 [M].
        labels: Their labels int64 [M].
        scores: Their scores float32 [M]; None without a classifier.
        companion_scores: The companions' own [M], likewise.
        distances: Between sample and companion float32 [M].
        threshold: That was used.
        examined: Labeled samples looked at.
        uncertain: Of those, samples that met the threshold.
        unknown_class: Of those, samples whose class the generator does not know.
        timings: Of the stages.
    """

    x: Float32
    pool_ids: UInt64
    labels: Int64
    scores: Float32 | None
    companion_scores: Float32 | None
    distances: Float32
    threshold: float | None
    examined: int
    uncertain: int
    unknown_class: int
    timings: tuple[StageTiming, ...]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Makes companions with the bundle's own encoder and generator.

    Attributes:
        pools: Returns the current state of the pool.
        pool_name: Its name.
        campaigns: The durable ledger.
        classifiers: The uploaded ones.
        reconstructor: Makes x' of x; None where the bundle cannot.
        generator: The bundle's kind of generator, for the error.
    """

    pools: Callable[[], Pool]
    pool_name: str
    campaigns: Campaigns
    classifiers: Classifiers
    reconstructor: Reconstructor | None
    generator: str

    def augment(
        self,
        request: AugmentationRequest,
        *,
        picks_of: Callable[[str, bytes], Float32],
        checkpoint: Checkpoint,
    ) -> Companions:
        """Return the companions of the labeled samples that meet the threshold; nothing is changed.

        Args:
            request: Which.
            picks_of: Given a method's name and its stored answer, reads the scores [B] of the picks.
            checkpoint: Raises once the caller no longer waits.

        Raises:
            DowserError: RECONSTRUCTION_UNSUPPORTED, CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND, SAMPLES_NOT_STORED,
                LABEL_NOT_FOUND, INVALID_ARGUMENT, CLASSIFIER_NOT_FOUND, ACQUISITION_UNSUPPORTED, NOT_FINITE,
                CLASSIFIER_FAILED, CANCELLED or DEADLINE_EXCEEDED.
        """
        clock, pool = StageClock(), self.pools()
        if self.reconstructor is None:
            raise reconstruction_unsupported(self.pool_name, self.generator)
        if not pool.has_samples:
            raise samples_not_stored(self.pool_name)
        if request.limit > MAX_COMPANIONS:
            raise invalid_argument("limit", request.limit, f"0 to {MAX_COMPANIONS}")
        with clock.stage("prepare"):
            threshold = self._threshold(request, picks_of)
            rows, pool_ids, labels = self._labeled(request, pool)
            classifier = self._classifier(request, pool)
        scores = None if classifier is None else _scores(classifier, pool, rows, clock, checkpoint)
        order = np.arange(len(rows))
        if scores is not None:
            order = np.argsort(-scores, kind="stable")
            if threshold is not None:
                order = order[scores[order] >= threshold]
        uncertain = len(order)
        order = order[self.reconstructor.known(labels[order])]
        unknown = uncertain - len(order)
        order = order[: self._most(request, pool)]
        made, distances, own = self._reconstruct(
            pool, rows[order], labels[order], classifier, clock, checkpoint
        )
        return Companions(
            x=made,
            pool_ids=pool_ids[order],
            labels=labels[order],
            scores=None if scores is None else scores[order],
            companion_scores=None if classifier is None else own,
            distances=distances,
            threshold=threshold,
            examined=len(rows),
            uncertain=uncertain,
            unknown_class=unknown,
            timings=clock.timings(),
        )

    def _threshold(
        self, request: AugmentationRequest, picks_of: Callable[[str, bytes], Float32]
    ) -> float | None:
        if (request.threshold is not None or request.selection is not None) and request.classifier_id is None:
            raise invalid_argument("classifier_id", "", "an uploaded classifier where there is a threshold")
        if request.selection is None:
            return request.threshold
        for method in ("SelectSamples", "CommitSelection"):
            stored = self.campaigns.answered(request.selection, method)
            if stored is not None:
                break
        else:
            raise invalid_argument(
                "selection_request_id",
                request.selection[:128],
                "the request_id of an answered SelectSamples or CommitSelection call",
            )
        scores = picks_of(method, stored)
        if not len(scores):
            raise invalid_argument(
                "selection_request_id", request.selection[:128], "a selection whose picks have scores"
            )
        return float(scores.min())

    def _labeled(self, request: AugmentationRequest, pool: Pool) -> tuple[Int64, UInt64, Int64]:
        """Return rows, ids and labels [L] of the labeled samples asked about."""
        snapshot = self.campaigns.snapshot(request.campaign_id, pool)
        if snapshot.info.pool != self.pool_name:
            raise pool_not_found(snapshot.info.pool)
        if request.pool_ids is None:
            return snapshot.labeled_rows, snapshot.labeled_ids, snapshot.labels
        missing = request.pool_ids[~np.isin(request.pool_ids, snapshot.labeled_ids)]
        if len(missing):
            raise label_not_found(int(missing[0]), len(missing))
        chosen = np.isin(snapshot.labeled_ids, request.pool_ids)
        return snapshot.labeled_rows[chosen], snapshot.labeled_ids[chosen], snapshot.labels[chosen]

    def _classifier(self, request: AugmentationRequest, pool: Pool) -> Classifier | None:
        if request.classifier_id is None:
            return None
        return compiled(
            self.classifiers,
            request.classifier_id,
            acquisition_function(request.acquisition),
            class_prior_weight=0.0,
            label_counts=None,
            targets=targets_of(pool, request.acquisition, 0, pool.alive()),
        )

    def _most(self, request: AugmentationRequest, pool: Pool) -> int:
        sample_bytes = 4 * int(np.prod(pool.input_shape))
        return min(request.limit or MAX_COMPANIONS, max(1, MAX_BYTES // sample_bytes))

    def _reconstruct(
        self,
        pool: Pool,
        rows: Int64,
        labels: Int64,
        classifier: Classifier | None,
        clock: StageClock,
        checkpoint: Checkpoint,
    ) -> tuple[Float32, Float32, Float32]:
        """Return companions [M, *input_shape] of rows [M], their distances [M], and with a classifier scores [M]."""
        assert self.reconstructor is not None  # augment has looked
        made = np.empty((len(rows), *pool.input_shape), np.float32)
        distances, scores = np.empty(len(rows), np.float32), np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _CHUNK):
            checkpoint("reconstruct")
            part = slice(start, start + _CHUNK)
            with clock.stage("read"):
                x = pool.inputs(rows[part])
            with clock.stage("reconstruct"):
                made[part] = self.reconstructor.reconstruct(x, labels[part])
            apart = (made[part] - x).reshape(len(x), -1)
            distances[part] = np.linalg.norm(apart, axis=1)
            if classifier is not None:
                with clock.stage("score"):
                    scores[part] = classifier.score(made[part]).scores
        return made, distances, scores


def _scores(
    classifier: Classifier, pool: Pool, rows: Int64, clock: StageClock, checkpoint: Checkpoint
) -> Float32:
    """Return the acquisition scores float32 [L] of rows [L]."""
    scores = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), _CHUNK):
        checkpoint("score")
        part = slice(start, start + _CHUNK)
        with clock.stage("read"):
            x = pool.inputs(rows[part])
        with clock.stage("score"):
            scores[part] = classifier.score(x).scores
    return scores
