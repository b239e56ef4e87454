"""The store held against a model of a few dictionaries, over random sequences of all that can be done to it."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pool_states import StubPool

from query_server.campaigns import Answer, CampaignContent, CampaignStore, Label, Lease, Request
from query_server.errors import DowserError, Reason

ROWS = 12
LEASE_SECONDS = 10.0
subsets = st.lists(st.integers(0, ROWS - 1), min_size=1, max_size=5, unique=True)


def _ids(rows: Any) -> npt.NDArray[np.uint64]:
    return np.array(list(rows), dtype=np.uint64)


class StoreAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1e9
        self.removed: set[int] = set()
        self.labels: dict[int, int] = {}  # in the order of recording
        self.leases: dict[int, float] = {}  # when each ends
        self.rounds = 0
        self.events: list[tuple[int, int | None]] = []
        self.written: list[tuple[Any, Any, Any]] = []  # what was sent, its request, and its answer
        self.requests = 0
        self.store = self.open()
        self.store.create("c", "pool", 0, self.request())

    def open(self) -> CampaignStore:
        path = Path(self.folder.name) / "ledger.sqlite"
        store = CampaignStore.open(path, lease_seconds=LEASE_SECONDS, clock=lambda: self.now)
        self.state = StubPool(ROWS, removed=self.removed)
        store.register_pool("pool", lambda: self.state)
        return store

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def request(self) -> Request:
        self.requests += 1
        return Request(id=f"request-{self.requests}", method="any", fingerprint=b"")

    def send(self, write: Any) -> Any:
        request = self.request()
        answer = write(self.store, request)
        self.written.append((write, request, answer))
        return answer

    def alive(self) -> set[int]:
        return set(range(ROWS)) - self.removed

    def free(self) -> set[int]:
        return self.alive() - self.labels.keys() - self.leases.keys()

    @rule(rows=subsets, budget=st.integers(1, 3))
    def lease(self, rows: list[int], budget: int) -> None:
        free = [row for row in rows if row in self.free()]
        if len(free) < budget:
            return

        def answer(lease: Lease) -> Answer:
            return Answer(reply=repr(lease.pool_ids.tolist()).encode())

        got = self.send(lambda store, request: store.lease("c", _ids(rows), budget, request, answer))
        assert got == repr(free[:budget]).encode()
        self.leases |= dict.fromkeys(free[:budget], self.now + LEASE_SECONDS)
        self.rounds += 1

    @rule(rows=subsets, label=st.integers(0, 2))
    def record(self, rows: list[int], label: int) -> None:
        entries = [Label(pool_id=row, label=label) for row in rows]
        reason = None
        if not set(rows) <= self.alive():
            reason = Reason.POOL_ID_NOT_FOUND
        elif any(self.labels.get(row, label) != label for row in rows):
            reason = Reason.LABEL_CONFLICT
        if reason is not None:
            with pytest.raises(DowserError) as caught:
                self.store.record_labels("c", entries, self.request())
            assert caught.value.reason is reason
            return
        new = [row for row in rows if row not in self.labels]
        got = self.send(lambda store, request: store.record_labels("c", entries, request))
        assert got.recorded == len(new)
        for row in new:
            self.labels[row] = label
            self.leases.pop(row, None)
            self.events.append((row, label))

    @rule(rows=subsets, label=st.integers(0, 2))
    def correct(self, rows: list[int], label: int) -> None:
        entries = [Label(pool_id=row, label=label) for row in rows]
        if not set(rows) <= self.labels.keys():
            with pytest.raises(DowserError) as caught:
                self.store.correct_labels("c", entries, self.request())
            assert caught.value.reason is Reason.LABEL_NOT_FOUND
            return
        other = [row for row in rows if self.labels[row] != label]
        got = self.send(lambda store, request: store.correct_labels("c", entries, request))
        assert got.changed == len(other)
        for row in other:
            self.labels[row] = label
            self.events.append((row, label))

    @rule(rows=subsets)
    def retract(self, rows: list[int]) -> None:
        labeled = [row for row in rows if row in self.labels]
        if not labeled:
            return
        self.send(lambda store, request: store.retract_labels("c", _ids(labeled), request))
        for row in sorted(labeled):
            del self.labels[row]
            self.events.append((row, None))

    @rule(rows=subsets)
    def release(self, rows: list[int]) -> None:
        leased = self.leases.keys() & set(rows)
        assert self.send(lambda store, request: store.release("c", _ids(rows), request)) == len(leased)
        for row in leased:
            del self.leases[row]

    @rule(rows=subsets, seconds=st.integers(1, 30))
    def extend(self, rows: list[int], seconds: int) -> None:
        got = self.send(lambda store, request: store.extend("c", _ids(rows), seconds, request))
        assert got.not_leased == tuple(sorted(set(rows) - self.leases.keys()))
        for row in self.leases.keys() & set(rows):
            self.leases[row] = max(self.leases[row], self.now + seconds)

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.leases = {row: end for row, end in self.leases.items() if end > self.now}

    @rule(rows=subsets)
    def remove_from_pool(self, rows: list[int]) -> None:
        self.removed |= set(rows[:1])
        self.state = StubPool(ROWS, removed=self.removed)

    @rule(rows=subsets)
    def add_to_pool(self, rows: list[int]) -> None:
        self.removed -= set(rows)
        self.state = StubPool(ROWS, removed=self.removed)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self.open()

    @rule(pick=st.integers(0, 10**6))
    def repeat_a_request(self, pick: int) -> None:
        if self.written:
            write, request, answer = self.written[pick % len(self.written)]
            assert write(self.store, request) == answer

    @rule()
    def import_what_there_is(self) -> None:
        content = CampaignContent(
            events=self.store.history_page("c")[0],
            leases=self.store.lease_terms("c"),
            rounds=self.store.rounds("c"),
        )
        request = self.request()
        made = self.store.import_campaign("copy", "pool", 0, content, request, skip_unknown=True)
        known = {row: label for row, label in self.labels.items() if row not in self.removed}
        assert dict(zip(*(each.tolist() for each in self.store.labels("copy")), strict=True)) == known
        assert made.campaign.unlabeled == len(self.free())
        self.store.delete("copy", self.request())

    @invariant()
    def store_and_model_agree(self) -> None:
        info = self.store.get("c")
        assert (info.labeled, info.leased, info.unlabeled, info.rounds) == (
            len(self.labels),
            len(self.leases),
            len(self.free()),
            self.rounds,
        )
        now = self.store.snapshot("c")
        assert set(now.available.rows().tolist()) == self.free()
        known = [(row, label) for row, label in self.labels.items() if row not in self.removed]
        assert list(zip(now.labeled_rows.tolist(), now.labels.tolist(), strict=True)) == known
        assert {term.pool_id: term.expire_time for term in self.store.lease_terms("c")} == self.leases
        events = self.store.history_page("c")[0]
        assert [(event.pool_id, event.label) for event in events] == self.events


TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
