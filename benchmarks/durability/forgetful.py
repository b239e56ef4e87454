"""Campaigns that nothing keeps: what a selection needs of a ledger, without a disk, a lock or a second caller."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from query_server.campaigns.values import AnswerBuilder, CampaignInfo, Lease, PoolState, Request, Snapshot


class ForgetfulCampaign:
    """One campaign in memory, for one caller.

    Args:
        name: The campaign's.
        pool: Whose samples it labels.
        pool_name: Its name.
        labels: {pool id: class} from the start.
    """

    def __init__(self, name: str, pool: PoolState, pool_name: str, labels: dict[int, int]) -> None:
        self._name = name
        self._pool = pool
        self._pool_name = pool_name
        self._ids = np.fromiter(labels, np.uint64, len(labels))
        self._labels = np.fromiter(labels.values(), np.int64, len(labels))
        self._taken = np.zeros(pool.rows, bool)
        self._taken[pool.rows_of(self._ids)] = True
        self._rounds = 0
        self._memory = b""

    def snapshot(self, id_or_name: str, pool: PoolState | None = None) -> Snapshot:
        """Return the campaign and what is free."""
        available = self._pool.open_rows(np.flatnonzero(self._taken))
        info = CampaignInfo(
            id=id_or_name,
            name=self._name,
            pool=self._pool_name,
            seed=0,
            create_time=0.0,
            labeled=len(self._ids),
            leased=0,
            unlabeled=available.count,
            rounds=self._rounds,
        )
        return Snapshot(
            info=info,
            available=available,
            labeled_rows=self._pool.rows_of(self._ids),
            labeled_ids=self._ids,
            labels=self._labels,
            memory=self._memory,
        )

    @contextlib.contextmanager
    def exclusive(self, request: Request) -> Iterator[bytes | None]:
        """Hold nothing: there is one caller."""
        yield None

    def lease(
        self,
        id_or_name: str,
        ranked_pool_ids: NDArray[np.uint64],
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Take the first of a ranked list, which are free as nobody else selects."""
        taken = ranked_pool_ids[:budget]
        self._taken[self._pool.rows_of(taken)] = True
        self._rounds += 1
        answered = answer(Lease(positions=np.arange(budget), pool_ids=taken, round=self._rounds))
        self._memory = self._memory if answered.memory is None else answered.memory
        return answered.reply

    def hold(
        self, id_or_name: str, pool_ids: NDArray[np.uint64], request: Request, answer: Callable[[], bytes]
    ) -> bytes:
        """Refuse: nothing is proposed here."""
        raise NotImplementedError

    def answered(self, request_id: str, method: str) -> bytes | None:
        """Return None: no answer is stored."""
        return None

    def settle(
        self,
        id_or_name: str,
        proposal: str,
        ranked_pool_ids: NDArray[np.uint64],
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Refuse: nothing is proposed here."""
        raise NotImplementedError
