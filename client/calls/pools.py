"""Pools, the samples in them, and what is near what; blocking and as coroutines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import pools as requests
from client.types.campaigns import Campaign
from client.types.pools import Neighbors, Pool, PoolIds, SamplesAdded, SamplesRemoved


class PoolCalls(Calls):
    """Pools, the samples in them, and what is near what."""

    def list_pools(self) -> tuple[Pool, ...]:
        """Return the pools that the server serves."""
        return self._send(requests.list_pools())

    def get_pool(self, name: str = "") -> Pool:
        """Return one pool; no name means the server's only one."""
        return self._send(requests.get_pool(name))

    def get_samples(self, pool_ids: PoolIds, *, pool: str = "") -> NDArray[Any]:
        """Return raw samples [n, *raw_shape] in the order of the ids, however many calls that takes."""
        pages = [self._send(call) for call in requests.get_samples(pool_ids, pool=pool)]
        return pages[0] if len(pages) == 1 else np.concatenate(pages)

    def search_neighbors(
        self,
        *,
        samples: NDArray[Any] | None = None,
        features: NDArray[Any] | None = None,
        pool_ids: PoolIds | None = None,
        k: int,
        campaign: Campaign | str | None = None,
        pool: str = "",
        min_index_version: int = 0,
    ) -> Neighbors:
        """Find the nearest pool samples of each query.

        Args:
            samples: Queries as raw samples [n, *raw_shape] or model inputs float32 [n, *input_shape]; or
            features: queries as features float32 [n, D]; or
            pool_ids: queries as samples of the pool. Exactly one of the three.
            k: Neighbors per query, at most 2,048.
            campaign: Leave out what is labeled or leased in this campaign.
            pool: The pool; empty means the server's only one.
            min_index_version: Refuse to answer from an older index.
        """
        return self._send(
            requests.search_neighbors(
                samples=samples,
                features=features,
                pool_ids=pool_ids,
                k=k,
                campaign=campaign,
                pool=pool,
                min_index_version=min_index_version,
            )
        )

    def add_samples(
        self,
        samples: NDArray[Any] | None = None,
        *,
        features: NDArray[Any] | None = None,
        pool_ids: PoolIds | None = None,
        pool: str = "",
        request_id: str | None = None,
    ) -> SamplesAdded:
        """Add samples to a pool, all or none; they can be selected once this returns, and after any restart.

        Args:
            samples: Raw samples [n, *raw_shape], at most 100,000; or
            features: float32 [n, D] of the served bundle's encoder, for pools that keep no samples.
            pool_ids: Ids the pool never held; None has the server assign the next ones.
            pool: The pool; empty means the server's only one.
            request_id: Names this write: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.add_samples(
                samples, features=features, pool_ids=pool_ids, pool=pool, request_id=request_id
            )
        )

    def remove_samples(
        self, pool_ids: PoolIds, *, pool: str = "", request_id: str | None = None
    ) -> SamplesRemoved:
        """Remove samples from a pool, all or none and for good; no selection returns them once this returns."""
        return self._send(requests.remove_samples(pool_ids, pool=pool, request_id=request_id))


class AsyncPoolCalls(AsyncCalls):
    """The same as coroutines."""

    async def list_pools(self) -> tuple[Pool, ...]:
        """Return the pools that the server serves."""
        return await self._send(requests.list_pools())

    async def get_pool(self, name: str = "") -> Pool:
        """Return one pool; no name means the server's only one."""
        return await self._send(requests.get_pool(name))

    async def get_samples(self, pool_ids: PoolIds, *, pool: str = "") -> NDArray[Any]:
        """Return raw samples [n, *raw_shape] in the order of the ids, however many calls that takes."""
        pages = [await self._send(call) for call in requests.get_samples(pool_ids, pool=pool)]
        return pages[0] if len(pages) == 1 else np.concatenate(pages)

    async def search_neighbors(
        self,
        *,
        samples: NDArray[Any] | None = None,
        features: NDArray[Any] | None = None,
        pool_ids: PoolIds | None = None,
        k: int,
        campaign: Campaign | str | None = None,
        pool: str = "",
        min_index_version: int = 0,
    ) -> Neighbors:
        """Find the nearest pool samples of each query."""
        return await self._send(
            requests.search_neighbors(
                samples=samples,
                features=features,
                pool_ids=pool_ids,
                k=k,
                campaign=campaign,
                pool=pool,
                min_index_version=min_index_version,
            )
        )

    async def add_samples(
        self,
        samples: NDArray[Any] | None = None,
        *,
        features: NDArray[Any] | None = None,
        pool_ids: PoolIds | None = None,
        pool: str = "",
        request_id: str | None = None,
    ) -> SamplesAdded:
        """Add samples to a pool, all or none; they can be selected once this returns, and after any restart.

        Args:
            samples: Raw samples [n, *raw_shape], at most 100,000; or
            features: float32 [n, D] of the served bundle's encoder, for pools that keep no samples.
            pool_ids: Ids the pool never held; None has the server assign the next ones.
            pool: The pool; empty means the server's only one.
            request_id: Names this write: sent again, it returns the same answer. None makes one.
        """
        return await self._send(
            requests.add_samples(
                samples, features=features, pool_ids=pool_ids, pool=pool, request_id=request_id
            )
        )

    async def remove_samples(
        self, pool_ids: PoolIds, *, pool: str = "", request_id: str | None = None
    ) -> SamplesRemoved:
        """Remove samples from a pool, all or none and for good; no selection returns them once this returns."""
        return await self._send(requests.remove_samples(pool_ids, pool=pool, request_id=request_id))
