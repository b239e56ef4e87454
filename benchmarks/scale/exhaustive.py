"""Exhaustive scoring: of a whole pool by a selection, and of a slice of a large one by a score job."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.errors import BenchmarkError
from benchmarks.scale.servers import ACQUISITION, Networks, Served
from client import Batch, BatchRule, ClassifierInfo, Exhaustive, NotFoundError, ScoreJobState

_CAMPAIGN = "scale-exhaustive"
_POLL_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best of a pool: ids uint64 [M] and scores float64 [M], the highest first."""

    ids: NDArray[np.uint64]
    scores: NDArray[np.float64]

    def mean(self, count: int, *, without: NDArray[np.uint64]) -> float:
        """Return the mean of the best `count` that are not among some."""
        return float(self.scores[~np.isin(self.ids, without)][:count].mean())


def best_of_pool(
    served: Served, classifier: ClassifierInfo, networks: Networks, *, count: int
) -> tuple[float, Best]:
    """Return the seconds of an exhaustive selection as a caller sees it, and the best it found."""
    with contextlib.suppress(NotFoundError):
        served.client.delete_campaign(_CAMPAIGN)
    served.client.create_campaign(_CAMPAIGN, seed=0)
    labels = networks.labels_of(networks.initial)
    served.client.record_labels(_CAMPAIGN, zip(networks.initial.tolist(), labels.tolist(), strict=True))
    started = time.perf_counter()
    reply = served.client.select_samples(
        _CAMPAIGN,
        classifier=classifier,
        budget=count,
        acquisition=ACQUISITION,
        strategy=Exhaustive(),
        batch=Batch(rule=BatchRule.TOP),
    )
    seconds = time.perf_counter() - started
    return seconds, Best(ids=reply.pool_ids, scores=reply.scores.astype(np.float64))


def slice_seconds(served: Served, classifier: ClassifierInfo, count: int) -> float:
    """Return the seconds of a score job over the first `count` samples.

    Raises:
        BenchmarkError: The job failed.
    """
    job = served.client.start_score_pool(classifier, acquisitions=(ACQUISITION,), pool_ids=range(count))
    while not job.state.has_ended:
        time.sleep(_POLL_SECONDS)
        job = served.client.get_score_job(job)
    if job.state is not ScoreJobState.DONE or job.end_time is None:
        raise BenchmarkError(f"the score job of {served.size.name} is {job.state}: {job.error}")
    return (job.end_time - job.create_time).total_seconds()
