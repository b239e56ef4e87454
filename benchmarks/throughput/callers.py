"""Callers in threads: rounds as fast as the server answers, and short questions beside them."""

from __future__ import annotations

import contextlib
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
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Call:
    """One round or one short question: when it began and ended, ``time.perf_counter()``."""

    began: float
    ended: float


@dataclass(frozen=True, kw_only=True)
class Driven:
    """What one number of callers came to.

    Attributes:
        rounds: Those that ended while it was counted.
        questions: Likewise.
        seconds: How long was counted.
        cpu_seconds: What the server and its workers computed in that time.
    """

    rounds: list[Call]
    questions: list[Call]
    seconds: float
    cpu_seconds: float


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
    seconds: float,
) -> Driven:
    """Have a caller for each campaign go through rounds, and another ask short questions.

    What is counted begins when every caller has ended a round, and ends after so many seconds, or with as many rounds
    as there are callers where that is later.

    Args:
        client: Shared by all.
        campaigns: Their names.
        classifiers: What they upload.
        budget: Samples a round.
        seconds: How long is counted at least.

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
            seen.add(campaign)

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

    seen: set[str] = set()
    threads = [threading.Thread(target=guarded, args=(work, campaign)) for campaign in campaigns]
    threads.append(threading.Thread(target=guarded, args=(ask, campaigns[0])))
    for thread in threads:
        thread.start()
    while len(seen) < len(campaigns) and not stop.wait(_LOOK_SECONDS):
        pass
    start, before, cpu = time.perf_counter(), len(rounds), children_cpu_seconds()
    while not stop.wait(_LOOK_SECONDS):
        if time.perf_counter() - start >= seconds and len(rounds) - before >= len(campaigns):
            break
    end, cpu = time.perf_counter(), children_cpu_seconds() - cpu
    stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return Driven(
        rounds=[call for call in rounds if start <= call.ended < end],
        questions=[call for call in questions if start <= call.ended < end],
        seconds=end - start,
        cpu_seconds=cpu,
    )


def children_cpu_seconds() -> float:
    """Return the processor time that this process's children and theirs have taken, those that ended included."""
    import psutil

    taken = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times = child.cpu_times()
            taken += times.user + times.system + times.children_user + times.children_system
    return taken
