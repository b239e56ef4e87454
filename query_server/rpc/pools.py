"""PoolService: reads what is served and searches it."""

from __future__ import annotations

from typing import Any

import numpy as np
from grpc import aio
from numpy.typing import NDArray

from dowser.v1 import pools_pb2, pools_pb2_grpc, tensors_pb2
from query_server.campaigns import CampaignStore
from query_server.errors import index_version_too_old, invalid_argument, pool_id_not_found, pool_not_found
from query_server.models import Bundle
from query_server.pool import Pool
from query_server.rpc import convert
from query_server.rpc.work import Workers

MAX_QUERIES = 4096
MAX_NEIGHBORS = 2048
# Queries times neighbors: a reply of 48 MiB.
MAX_RESULTS = 2**22

_Context = aio.ServicerContext[Any, Any]


class PoolServicer(pools_pb2_grpc.PoolServiceServicer):
    """Serves one pool."""

    def __init__(self, *, pool: Pool, bundle: Bundle, campaigns: CampaignStore, workers: Workers) -> None:
        self._pool = pool
        self._bundle = bundle
        self._campaigns = campaigns
        self._workers = workers

    async def ListPools(
        self, request: pools_pb2.ListPoolsRequest, context: _Context
    ) -> pools_pb2.ListPoolsResponse:
        """List the pools."""
        return pools_pb2.ListPoolsResponse(pools=[self._describe()])

    async def GetPool(
        self, request: pools_pb2.GetPoolRequest, context: _Context
    ) -> pools_pb2.GetPoolResponse:
        """Describe the pool."""
        self._require(request.pool)
        return pools_pb2.GetPoolResponse(pool=self._describe())

    async def GetSamples(
        self, request: pools_pb2.GetSamplesRequest, context: _Context
    ) -> pools_pb2.GetSamplesResponse:
        """Return raw samples."""
        self._require(request.pool)
        return await self._workers.run(context, lambda _: self._samples(request))

    async def SearchNeighbors(
        self, request: pools_pb2.SearchNeighborsRequest, context: _Context
    ) -> pools_pb2.SearchNeighborsResponse:
        """Search the index."""
        self._require(request.pool)
        return await self._workers.run(context, lambda _: self._search(request))

    def _require(self, name: str) -> None:
        if name not in ("", self._pool.name):
            raise pool_not_found(name)

    def _describe(self) -> pools_pb2.Pool:
        manifest, bundle = self._pool.manifest, self._bundle.manifest
        dtype = tensors_pb2.DTYPE_UINT8 if self._pool.raw_dtype == np.uint8 else tensors_pb2.DTYPE_FLOAT32
        return pools_pb2.Pool(
            name=self._pool.name,
            size=self._pool.size,
            raw_shape=self._pool.raw_shape,
            raw_dtype=dtype,
            input_shape=self._pool.input_shape,
            input_min=bundle.input_min,
            input_max=bundle.input_max,
            scale=self._pool.preprocessing.scale,
            offset=self._pool.preprocessing.offset,
            feature_dim=self._pool.feature_dim,
            latent_dim=self._bundle.latent_dim,
            index_factory=manifest.factory,
            recall_at_10=manifest.recall_at_10,
            index_version=self._pool.index_version,
            bundle_digest=self._bundle.digest,
        )

    def _samples(self, request: pools_pb2.GetSamplesRequest) -> pools_pb2.GetSamplesResponse:
        rows = self._rows(request.pool_ids)
        return pools_pb2.GetSamplesResponse(samples=convert.tensor(self._pool.raw(rows)))

    def _search(self, request: pools_pb2.SearchNeighborsRequest) -> pools_pb2.SearchNeighborsResponse:
        if not 1 <= request.k <= MAX_NEIGHBORS:
            raise invalid_argument("k", request.k, f"1 to {MAX_NEIGHBORS}")
        if request.min_index_version > self._pool.index_version:
            raise index_version_too_old(self._pool.index_version, request.min_index_version)
        features = self._queries(request)
        if len(features) * request.k > MAX_RESULTS:
            raise invalid_argument(
                "k", request.k, f"at most {MAX_RESULTS // len(features)} for so many queries"
            )
        if request.campaign_id:
            available = self._campaigns.snapshot(request.campaign_id).available
            distances, rows, _ = self._pool.search_available(features, request.k, available)
        else:
            distances, rows = self._pool.search(features, request.k)
        results = []
        for row, distance in zip(rows, distances, strict=True):
            found = row >= 0
            results.append(
                pools_pb2.Neighbors(pool_ids=self._pool.ids_of(row[found]), distances=distance[found])
            )
        return pools_pb2.SearchNeighborsResponse(results=results, index_version=self._pool.index_version)

    def _queries(self, request: pools_pb2.SearchNeighborsRequest) -> NDArray[np.float32]:
        pool = self._pool
        match request.WhichOneof("query"):
            case "pool_ids":
                return pool.features(self._rows(request.pool_ids.ids))
            case "features":
                features = convert.array(request.features, field="features")
                _limit(len(features))
                return convert.rows_of_queries(features, expected=(pool.feature_dim,), what="features")
            case "samples":
                samples = convert.array(request.samples, field="samples")
                _limit(len(samples))
                # A raw sample and a model input can have the same shape (vectors); then they are the same values.
                if samples.dtype == pool.raw_dtype and samples.shape[1:] == pool.raw_shape:
                    return self._bundle.encode(pool.preprocessing.to_input(samples))
                inputs = convert.rows_of_queries(samples, expected=pool.input_shape, what="samples")
                return self._bundle.encode(inputs)
            case _:
                raise invalid_argument("query", "nothing", "samples, features or pool_ids")

    def _rows(self, pool_ids: Any) -> NDArray[np.int64]:
        _limit(len(pool_ids))
        ids = np.fromiter(pool_ids, np.uint64, len(pool_ids))
        rows = self._pool.rows_of(ids)
        if (rows < 0).any():
            raise pool_id_not_found(int(ids[rows < 0][0]), int((rows < 0).sum()))
        return rows


def _limit(queries: int) -> None:
    if not 1 <= queries <= MAX_QUERIES:
        raise invalid_argument("query", queries, f"1 to {MAX_QUERIES} entries")
