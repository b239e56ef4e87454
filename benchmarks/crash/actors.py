"""The concurrent clients: each writes what comes to its mind, and remembers what it sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks.crash.witness import Witness
from client import Client, Dowser, DowserError, Random

BUDGET = 6
LABELS_KEPT = 40  # of one actor; above that it retracts
LEASES_KEPT = 24
ADDED_KEPT = 12
REPEATABLE = 30  # answered requests an actor remembers, to send them again

# What a server that is gone, going, or out of disk answers with: the write may or may not have happened.
UNSETTLED = {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"}


@dataclass
class Operation:
    """One write: sent with one request id however often, and the effect of its answer."""

    kind: str
    send: Callable[[Client], Any]
    settle: Callable[[Any], None]
    refuse: Callable[[DowserError], bool] = lambda _: False  # whether a refusal was to be expected


@dataclass
class Tally:
    """What one actor saw."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)

    def count(self, table: dict[str, int], key: str) -> None:
        """Add one."""
        table[key] = table.get(key, 0) + 1


class Actor:
    """One caller of one campaign.

    Args:
        name: Of the caller.
        campaign: Whose samples it labels, beside others.
        witness: Where it notes what it knows.
        classifiers: Ids of uploaded classifiers.
        samples: uint8 [n, *raw_shape], to add copies of.
        seed: Of its choices.
    """

    def __init__(
        self,
        name: str,
        campaign: str,
        witness: Witness,
        *,
        classifiers: tuple[str, ...],
        samples: np.ndarray[Any, np.dtype[np.uint8]],
        seed: int,
    ) -> None:
        self.name = name
        self.tally = Tally()
        self._campaign = campaign
        self._witness = witness
        self._classifiers = classifiers
        self._samples = samples
        self._rng = np.random.default_rng(seed)
        self._leases: list[int] = []
        self._labels: dict[int, int] = {}
        self._added: list[int] = []
        self._pending: Operation | None = None
        self._answered: list[tuple[Operation, Any]] = []

    def work(self, client: Client, stop: threading.Event) -> None:
        """Write until told to stop or the server is gone."""
        while not stop.is_set() and self.step(client):
            pass

    def step(self, client: Client) -> bool:
        """Make one write, or repeat one; return whether the server still answers."""
        if self._answered and self._rng.random() < 0.1:
            return self._repeat(client)
        if self._pending is None:
            self._pending = self._next()
        return self._send(client)

    def resolve(self, client: Client) -> bool:
        """Send again what was left without an answer; one write in ten is given up, as a caller that died would."""
        if self._pending is not None and self._rng.random() < 0.1:
            self._pending = None
        return self._pending is None or self._send(client)

    def _send(self, client: Client) -> bool:
        operation = self._pending
        assert operation is not None
        try:
            answer = operation.send(client)
        except DowserError as error:
            if is_unsettled(error):
                return False
            self._pending = None
            self.tally.count(self.tally.refused, f"{operation.kind}: {error.reason or error.grpc_code.name}")
            if not operation.refuse(error):
                self._witness.accuse(f"{self.name}: {operation.kind} was refused: {error}")
            return True
        self._pending = None
        operation.settle(answer)
        self.tally.count(self.tally.acknowledged, operation.kind)
        self._answered = [*self._answered[1 - REPEATABLE :], (operation, answer)]
        return True

    def _repeat(self, client: Client) -> bool:
        """Send an answered request again: the answer must be the same."""
        operation, answer = self._answered[int(self._rng.integers(len(self._answered)))]
        try:
            again = operation.send(client)
        except DowserError as error:
            if is_unsettled(error):
                return False
            self._witness.accuse(f"{self.name}: {operation.kind}, sent again, was refused: {error}")
            return True
        if again != answer:
            self._witness.accuse(f"{self.name}: {operation.kind}, sent again, has another answer")
        self.tally.count(self.tally.acknowledged, "repeat")
        return True

    def _next(self) -> Operation:
        choices = [self._select] if len(self._leases) < LEASES_KEPT else [self._release]
        if self._leases:
            choices += [self._label, self._label, self._release]
        if self._labels:
            choices += [self._correct, self._retract]
        if len(self._labels) > LABELS_KEPT:
            choices = [self._retract]
        choices.append(self._remove if len(self._added) > ADDED_KEPT else self._add)
        if self._added:
            choices.append(self._remove)
        return choices[int(self._rng.integers(len(choices)))]()

    def _some(self, ids: list[int]) -> list[int]:
        count = int(self._rng.integers(1, min(len(ids), BUDGET) + 1))
        return [int(each) for each in self._rng.choice(np.array(ids, np.uint64), count, replace=False)]

    # The writes

    def _select(self) -> Operation:
        request, removed = new_id(), self._witness.removed_so_far()
        budget, seed = int(self._rng.integers(1, BUDGET + 1)), int(self._rng.integers(2**32))
        classifier = self._classifiers[int(self._rng.integers(len(self._classifiers)))]
        scored = self._rng.random() < 0.4

        def send(client: Client) -> tuple[int, ...]:
            selection = client.select_samples(
                self._campaign,
                classifier=classifier if scored else None,
                budget=budget,
                strategy=Dowser(max_scored=20, steps=5, latents=2) if scored else Random(),
                seed=seed,
                request_id=request,
            )
            return tuple(selection.pool_ids.tolist())

        def settle(ids: tuple[int, ...]) -> None:
            if len(ids) != budget:
                self._witness.accuse(f"{self.name}: {len(ids)} ids for a budget of {budget}")
            self._witness.leased(self._campaign, self.name, ids, removed)
            self._leases += ids

        return Operation("select", send, settle)

    def _label(self) -> Operation:
        labels = self._witness.labels_to_send(self._campaign, self._some(self._leases))
        request = new_id()
        self._leases = [id_ for id_ in self._leases if id_ not in labels]

        def settle(_: object) -> None:
            self._witness.labeled(self._campaign, labels)
            self._labels.update(labels)

        def refuse(error: DowserError) -> bool:
            self._witness.refused(self._campaign, labels)
            self._witness.giving_back(self._campaign, labels)  # they stay leased, to nobody we know
            return error.reason == "POOL_ID_NOT_FOUND" and self._witness.may_be_removed(labels)

        self._witness.labeling(self._campaign, labels)
        return Operation(
            "label", lambda c: c.record_labels(self._campaign, labels, request_id=request), settle, refuse
        )

    def _correct(self) -> Operation:
        labels = self._witness.labels_to_send(self._campaign, self._some(list(self._labels)))
        request = new_id()

        def settle(_: object) -> None:
            self._witness.labeled(self._campaign, labels)
            self._labels.update(labels)

        def refuse(error: DowserError) -> bool:
            self._witness.refused(self._campaign, labels)
            return error.reason == "POOL_ID_NOT_FOUND" and self._witness.may_be_removed(labels)

        self._witness.labeling(self._campaign, labels)
        return Operation(
            "correct", lambda c: c.correct_labels(self._campaign, labels, request_id=request), settle, refuse
        )

    def _retract(self) -> Operation:
        ids = self._some(list(self._labels))
        labels = {id_: self._labels.pop(id_) for id_ in ids}
        request = new_id()
        self._witness.retracting(self._campaign, ids)
        return Operation(
            "retract",
            lambda c: c.retract_labels(self._campaign, ids, request_id=request),
            lambda _: self._witness.retracted(self._campaign, labels),
        )

    def _release(self) -> Operation:
        ids = self._some(self._leases)
        self._leases = [id_ for id_ in self._leases if id_ not in ids]
        request = new_id()
        self._witness.giving_back(self._campaign, ids)
        return Operation(
            "release", lambda c: c.release_samples(self._campaign, ids, request_id=request), lambda _: None
        )

    def _add(self) -> Operation:
        rows = self._rng.integers(len(self._samples), size=int(self._rng.integers(1, 4)))
        samples, request = self._samples[rows], new_id()

        def settle(ids: tuple[int, ...]) -> None:
            self._witness.added({id_: sample.tobytes() for id_, sample in zip(ids, samples, strict=True)})
            self._added += ids

        return Operation(
            "add",
            lambda c: tuple(c.add_samples(samples, request_id=request).pool_ids.tolist()),
            settle,
        )

    def _remove(self) -> Operation:
        if not self._added:
            return self._add()
        ids = self._some(self._added)
        self._added = [id_ for id_ in self._added if id_ not in ids]
        request = new_id()
        self._witness.removing(ids)
        return Operation(
            "remove",
            lambda c: c.remove_samples(ids, request_id=request),
            lambda _: self._witness.removed(ids),
        )


def new_id() -> str:
    """Return a request id."""
    return str(uuid4())


def is_unsettled(error: DowserError) -> bool:
    """Whether the write may or may not have happened, or is worth another try."""
    return (
        error.grpc_code.name in UNSETTLED
        or error.reason in {"OVERLOADED", "STORAGE_FULL"}
        or not error.reason  # gRPC's own word: the connection broke
    )
