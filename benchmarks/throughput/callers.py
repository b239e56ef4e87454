"""Callers in threads: rounds as fast as the server answers, and short questions beside them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from client import CandidateSource, Client, Dowser

#: A little of each source: the same work in every round, whatever the policy would learn.
STRATEGY = Dowser(
    max_scored=1000,
    shares={
        CandidateSource.SYNTHESIS: 0.25,
        CandidateSource.LABELED_NEIGHBORS: 0.25,
        CandidateSource.RANDOM: 0.5,
    },
)
QUESTION_PAUSE_SECONDS = 0.1
_JITTER = 1e-3


@dataclass(frozen=True, kw_only=True)
class Call:
    """One round or one short question: when it began and ended, ``time.perf_counter()``."""

    began: float
    ended: float


class FreshClassifiers:
    """Classifiers of one architecture that no server has seen: each a little off the one before. Thread-safe.

    Args:
        data: The first one, as exported.
    """

    def __init__(self, data: bytes) -> None:
        self._model = onnx.load_model_from_string(data)
        self._weights = [
            (tensor, numpy_helper.to_array(tensor))
            for tensor in self._model.graph.initializer
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
        ]
        self._rng = np.random.default_rng(0)
        self._lock = threading.Lock()

    def next(self) -> bytes:
        """Return the next one."""
        with self._lock:
            for tensor, weight in self._weights:
                factor = 1 + _JITTER * self._rng.standard_normal()
                tensor.CopyFrom(numpy_helper.from_array((weight * factor).astype(np.float32), tensor.name))
            return self._model.SerializeToString()


def drive(
    client: Client,
    campaigns: Sequence[str],
    classifiers: FreshClassifiers,
    *,
    budget: int,
    warm_up_seconds: float,
    seconds: float,
) -> tuple[list[Call], list[Call]]:
    """Have a caller for each campaign go through rounds; return the rounds and the short questions that ended in time.

    Args:
        client: Shared by all.
        campaigns: Their names.
        classifiers: What they upload.
        budget: Samples a round.
        warm_up_seconds: What ends earlier is not counted.
        seconds: How long is counted.

    Raises:
        Exception: Whatever a call fails with.
    """
    stop = threading.Event()
    rounds: list[Call] = []
    questions: list[Call] = []
    failures: list[Exception] = []

    def work(campaign: str) -> None:
        while not stop.is_set():
            data = classifiers.next()
            began = time.perf_counter()
            uploaded = client.upload_classifier(data)
            picked = client.select_samples(campaign, classifier=uploaded, budget=budget, strategy=STRATEGY)
            client.release_samples(campaign, picked.pool_ids)
            rounds.append(Call(began=began, ended=time.perf_counter()))

    def ask(campaign: str) -> None:
        while not stop.wait(QUESTION_PAUSE_SECONDS):
            began = time.perf_counter()
            client.get_campaign(campaign)
            questions.append(Call(began=began, ended=time.perf_counter()))

    def guarded(do: Callable[[str], None], campaign: str) -> None:
        try:
            do(campaign)
        except Exception as error:
            failures.append(error)
            stop.set()

    threads = [threading.Thread(target=guarded, args=(work, campaign)) for campaign in campaigns]
    threads.append(threading.Thread(target=guarded, args=(ask, campaigns[0])))
    start = time.perf_counter() + warm_up_seconds
    for thread in threads:
        thread.start()
    stop.wait(warm_up_seconds + seconds)
    stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    inside = [[call for call in calls if start <= call.ended < start + seconds] for calls in (rounds, questions)]
    return inside[0], inside[1]
