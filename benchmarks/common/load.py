"""Callers as a labeling team has them: each selects, looks, labels, corrects, and uploads its classifier again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.common.service import DigitsService
from client import Client, Dowser, DowserError, Random, RandomSubset

BUDGET = 5
LABELS_KEPT = 60  # of one caller; above that it retracts its oldest
ADDED_KEPT = 3


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """One call: when it began (seconds of the run), how long it took, and how it ended."""

    method: str
    began: float
    seconds: float
    error: str = ""


class Caller:
    """One caller with a campaign it shares with others.

    Args:
        service: What is served.
        campaign: The campaign's name.
        seed: Of its choices.
        live: Whether it also adds and removes samples.
    """

    def __init__(self, service: DigitsService, campaign: str, *, seed: int, live: bool = True) -> None:
        self._service = service
        self._campaign = campaign
        self._rng = np.random.default_rng(seed)
        self._classifier: str | None = None
        self._leased: list[int] = []
        self._unwanted: list[int] = []
        self._labeled: list[int] = []
        self._added: list[int] = []
        self._live = live
        self.records: list[CallRecord] = []

    def work(self, client: Client, started: float, stop: threading.Event, *, pause: float) -> None:
        """Call until told to stop, with pauses of that many seconds on average between the calls."""
        while not stop.is_set():
            self.step(client, started)
            stop.wait(float(self._rng.exponential(pause)))

    def step(self, client: Client, started: float) -> None:
        """Make one call and keep its record."""
        method, call = self._next()
        began, error = time.monotonic(), ""
        try:
            call(client)
        except DowserError as refusal:
            error = refusal.reason or refusal.grpc_code.name
            if error == "POOL_ID_NOT_FOUND":  # somebody removed one of these: give the others back
                self._unwanted, self._leased, error = self._leased, [], ""
            elif error == "CLASSIFIER_NOT_FOUND":  # evicted, as the documentation says it may be
                self._classifier, error = None, ""
        self.records.append(
            CallRecord(method=method, began=began - started, seconds=time.monotonic() - began, error=error)
        )

    def _next(self) -> tuple[str, Callable[[Client], Any]]:
        if self._classifier is None:
            return "upload", self._upload
        if self._unwanted:
            return "release", self._release
        if len(self._labeled) > LABELS_KEPT:
            return "retract", self._retract
        if len(self._leased) >= BUDGET:
            return "label", self._label
        draw = self._rng.random()
        choices: list[tuple[float, str, Callable[[Client], Any]]] = [
            (0.35, "select", self._select),
            (0.15, "neighbors", self._neighbors),
            (0.15, "samples", self._samples),
            (0.20, "campaign", lambda client: client.get_campaign(self._campaign)),
            (0.05, "upload", self._upload),
        ]
        for share, name, call in choices:
            if draw < share:
                return name, call
            draw -= share
        if not self._live:
            return "select", self._select
        return ("remove", self._remove) if len(self._added) >= ADDED_KEPT else ("add", self._add)

    def _upload(self, client: Client) -> None:
        data = self._service.classifiers[int(self._rng.integers(len(self._service.classifiers)))]
        self._classifier = client.upload_classifier(data).classifier_id

    def _select(self, client: Client) -> None:
        strategies = (Dowser(max_scored=60, steps=20), RandomSubset(max_scored=60), Random())
        strategy = strategies[int(self._rng.choice(3, p=(0.6, 0.2, 0.2)))]
        selection = client.select_samples(
            self._campaign,
            classifier=None if isinstance(strategy, Random) else self._classifier,
            budget=BUDGET,
            strategy=strategy,
        )
        self._leased += selection.pool_ids.tolist()

    def _label(self, client: Client) -> None:
        labels = {id_: int(self._rng.integers(10)) for id_ in self._leased}
        client.record_labels(self._campaign, labels, annotator="soak")
        self._labeled += self._leased
        self._leased = []

    def _release(self, client: Client) -> None:
        client.release_samples(self._campaign, self._unwanted)
        self._unwanted = []

    def _retract(self, client: Client) -> None:
        count = LABELS_KEPT // 2
        client.retract_labels(self._campaign, self._labeled[:count])
        self._labeled = self._labeled[count:]

    def _neighbors(self, client: Client) -> None:
        rows = self._rng.integers(len(self._service.raw), size=4)
        client.search_neighbors(samples=self._service.raw[rows], k=10, campaign=self._campaign)

    def _samples(self, client: Client) -> None:
        client.get_samples(self._rng.integers(len(self._service.raw), size=8).astype(np.uint64))

    def _add(self, client: Client) -> None:
        row = int(self._rng.integers(len(self._service.raw)))
        self._added += client.add_samples(self._service.raw[row : row + 1]).pool_ids.tolist()

    def _remove(self, client: Client) -> None:
        client.remove_samples(self._added)
        self._added = []
