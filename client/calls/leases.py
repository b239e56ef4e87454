"""What is handed out and not labeled yet; blocking and as coroutines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import leases as requests
from client.types.campaigns import Campaign
from client.types.leases import LeasesExtended, LeaseTerm
from client.types.pools import PoolIds


class LeaseCalls(Calls):
    """What is handed out and not labeled yet."""

    def list_leases(self, campaign: Campaign | str) -> NDArray[np.uint64]:
        """Return the ids handed out and not labeled yet, uint64 [n], ascending."""
        return self._send(requests.list_leases(campaign))

    def list_lease_terms(self, campaign: Campaign | str) -> tuple[LeaseTerm, ...]:
        """Return what is handed out and not labeled yet, with its round and when it ends, by ascending id."""
        return self._send(requests.list_lease_terms(campaign))

    def extend_leases(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        seconds: float = 0.0,
        round: int = 0,
        request_id: str | None = None,
    ) -> LeasesExtended:
        """Let leases end so many seconds from now, unless they end later already; at most 100,000 a call.

        Args:
            campaign: The campaign, its id or its name.
            pool_ids: The samples; those that are not leased any more are named in the answer.
            seconds: 0 means the server's term of new leases.
            round: Extend leases of this round only; 0 means of any. What has lapsed may be leased to another since.
            request_id: Names this call: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.extend_leases(campaign, pool_ids, seconds=seconds, round=round, request_id=request_id)
        )

    def release_samples(
        self, campaign: Campaign | str, pool_ids: PoolIds, *, request_id: str | None = None
    ) -> int:
        """Give leased samples back unlabeled, at most 100,000 a call; returns how many were leased."""
        return self._send(requests.release_samples(campaign, pool_ids, request_id=request_id))


class AsyncLeaseCalls(AsyncCalls):
    """The same as coroutines."""

    async def list_leases(self, campaign: Campaign | str) -> NDArray[np.uint64]:
        """Return the ids handed out and not labeled yet, uint64 [n], ascending."""
        return await self._send(requests.list_leases(campaign))

    async def list_lease_terms(self, campaign: Campaign | str) -> tuple[LeaseTerm, ...]:
        """Return what is handed out and not labeled yet, with its round and when it ends, by ascending id."""
        return await self._send(requests.list_lease_terms(campaign))

    async def extend_leases(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        seconds: float = 0.0,
        round: int = 0,
        request_id: str | None = None,
    ) -> LeasesExtended:
        """Let leases end so many seconds from now, unless they end later already; at most 100,000 a call."""
        return await self._send(
            requests.extend_leases(campaign, pool_ids, seconds=seconds, round=round, request_id=request_id)
        )

    async def release_samples(
        self, campaign: Campaign | str, pool_ids: PoolIds, *, request_id: str | None = None
    ) -> int:
        """Give leased samples back unlabeled, at most 100,000 a call; returns how many were leased."""
        return await self._send(requests.release_samples(campaign, pool_ids, request_id=request_id))
