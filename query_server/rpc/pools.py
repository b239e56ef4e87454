"""PoolService: reads what is served, searches it and changes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from grpc import aio
from numpy.typing import NDArray

from dowser.v1 import pools_pb2, pools_pb2_grpc, tensors_pb2
from query_server.campaigns import CampaignStore
from query_server.campaigns.values import Request
from query_server.errors import index_version_too_old, invalid_argument
from query_server.models import Bundle
from query_server.pool import Pool
from query_server.pool.live import Addition, Removal
from query_server.rpc import convert
from query_server.rpc.adding import Received, Room, received
from query_server.rpc.pool_samples import inputs_of, named
from query_server.rpc.work import Waiting, Workers
from query_server.serving import Serving

MAX_QUERIES = 4096
MAX_NEIGHBORS = 2048
# Queries times neighbors: a reply of 48 MiB.
MAX_RESULTS = 2**22

_Context = aio.ServicerContext[Any, Any]


class PoolServicer(pools_pb2_grpc.PoolServiceServicer):
    """Serves one pool."""

    def __init__(
        self,
        *,
        serving: Serving,
        campaigns: CampaignStore,
        workers: Workers,
        quick: Workers,
        max_add_bytes: int,
    ) -> None:
        self._serving = serving
        self._campaigns = campaigns
        self._workers = workers
        self._quick = quick
        self._room = Room(max_add_bytes)

    async def ListPools(
        self, request: pools_pb2.ListPoolsRequest, context: _Context
    ) -> pools_pb2.ListPoolsResponse:
        """List the pools."""
        return pools_pb2.ListPoolsResponse(pools=[self._describe()])

    async def GetPool(
        self, request: pools_pb2.GetPoolRequest, context: _Context
    ) -> pools_pb2.GetPoolResponse:
        """Describe the pool."""
        self._serving.require_pool(request.pool)
        return pools_pb2.GetPoolResponse(pool=self._describe())

    async def GetSamples(
        self, request: pools_pb2.GetSamplesRequest, context: _Context
    ) -> pools_pb2.GetSamplesResponse:
        """Return raw samples."""
        self._serving.require_pool(request.pool)
        return await self._quick.run(context, lambda _: self._samples(request))

    async def SearchNeighbors(
        self, request: pools_pb2.SearchNeighborsRequest, context: _Context
    ) -> pools_pb2.SearchNeighborsResponse:
        """Search the index."""
        self._serving.require_pool(request.pool)
        return await self._quick.run(context, lambda _: self._search(request))

    async def AddSamples(
        self, request: AsyncIterator[pools_pb2.AddSamplesRequest], context: _Context
    ) -> pools_pb2.AddSamplesResponse:
        """Add samples."""
        async with received(request, require_pool=self._serving.require_pool, room=self._room) as addition:
            added = await self._workers.run(context, lambda waiting: self._add(addition, waiting))
        return pools_pb2.AddSamplesResponse(
            pool_ids=added.pool_ids, index_version=added.index_version, size=added.size
        )

    async def RemoveSamples(
        self, request: pools_pb2.RemoveSamplesRequest, context: _Context
    ) -> pools_pb2.RemoveSamplesResponse:
        """Remove samples."""
        self._serving.require_pool(request.pool)
        write = convert.write_request(request, "RemoveSamples")
        ids = np.fromiter(request.pool_ids, np.uint64, len(request.pool_ids))
        removal = await self._workers.run(context, lambda _: self._remove(ids, write))
        return pools_pb2.RemoveSamplesResponse(
            removed=removal.removed, index_version=removal.index_version, size=removal.size
        )

    def _add(self, addition: Received, waiting: Waiting) -> Addition:
        with self._serving.use() as generation:
            return generation.live.add(
                addition.values,
                kind=addition.kind,
                pool_ids=addition.pool_ids,
                write=addition.write,
                checkpoint=waiting.checkpoint,
            )

    def _remove(self, pool_ids: NDArray[np.uint64], write: Request) -> Removal:
        with self._serving.use() as generation:
            return generation.live.remove(pool_ids, write)

    def _describe(self) -> pools_pb2.Pool:
        with self._serving.use() as generation:
            pool, bundle = generation.live.current(), generation.bundle
        dtype = tensors_pb2.DTYPE_UINT8 if pool.raw_dtype == np.uint8 else tensors_pb2.DTYPE_FLOAT32
        return pools_pb2.Pool(
            name=pool.name,
            size=pool.size,
            raw_shape=pool.raw_shape,
            raw_dtype=dtype,
            input_shape=pool.input_shape,
            input_min=bundle.manifest.input_min,
            input_max=bundle.manifest.input_max,
            scale=pool.preprocessing.scale,
            offset=pool.preprocessing.offset,
            feature_dim=pool.feature_dim,
            latent_dim=bundle.latent_dim,
            index_factory=pool.manifest.factory,
            recall_at_10=pool.manifest.recall_at_10,
            index_version=pool.index_version,
            bundle_digest=bundle.digest,
            added=pool.added,
            removed=pool.removed,
            has_samples=pool.has_samples,
        )

    def _samples(self, request: pools_pb2.GetSamplesRequest) -> pools_pb2.GetSamplesResponse:
        with self._serving.use() as generation:
            pool = generation.live.current()
            samples = pool.raw(_rows(pool, request.pool_ids))
        return pools_pb2.GetSamplesResponse(samples=convert.tensor(samples), index_version=pool.index_version)

    def _search(self, request: pools_pb2.SearchNeighborsRequest) -> pools_pb2.SearchNeighborsResponse:
        if not 1 <= request.k <= MAX_NEIGHBORS:
            raise invalid_argument("k", request.k, f"1 to {MAX_NEIGHBORS}")
        with self._serving.use() as generation:
            pool = generation.live.current()
            if request.min_index_version > pool.index_version:
                raise index_version_too_old(pool.index_version, request.min_index_version)
            features = _queries(pool, generation.bundle, request)
            if len(features) * request.k > MAX_RESULTS:
                limit = f"at most {MAX_RESULTS // len(features)} for so many queries"
                raise invalid_argument("k", request.k, limit)
            if request.campaign_id:
                available = self._campaigns.snapshot(request.campaign_id, pool).available
                distances, rows, _ = pool.search_available(features, request.k, available)
            else:
                distances, rows = pool.search(features, request.k)
        results = []
        for row, distance in zip(rows, distances, strict=True):
            found = row >= 0
            results.append(pools_pb2.Neighbors(pool_ids=pool.ids_of(row[found]), distances=distance[found]))
        return pools_pb2.SearchNeighborsResponse(results=results, index_version=pool.index_version)


def _queries(pool: Pool, bundle: Bundle, request: pools_pb2.SearchNeighborsRequest) -> NDArray[np.float32]:
    match request.WhichOneof("query"):
        case "pool_ids":
            return pool.features(_rows(pool, request.pool_ids.ids))
        case "features":
            features = convert.array(request.features, field="features")
            _limit(len(features))
            return convert.rows_of_queries(features, expected=(pool.feature_dim,), what="features")
        case "samples":
            samples = convert.array(request.samples, field="samples")
            _limit(len(samples))
            return bundle.encode(inputs_of(pool, samples, what="samples"))
        case _:
            raise invalid_argument("query", "nothing", "samples, features or pool_ids")


def _rows(pool: Pool, pool_ids: Any) -> NDArray[np.int64]:
    _limit(len(pool_ids))
    return named(pool, pool_ids)[1]


def _limit(queries: int) -> None:
    if not 1 <= queries <= MAX_QUERIES:
        raise invalid_argument("query", queries, f"1 to {MAX_QUERIES} entries")
