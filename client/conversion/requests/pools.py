"""Calls of PoolService."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from client.conversion import fields, tensors
from client.conversion.call import Call, unary
from client.conversion.replies import pools as replies
from client.conversion.requests.chunks import CHUNK_BYTES, SAMPLES_PER_CALL
from client.errors import invalid_argument
from client.types.campaigns import Campaign
from client.types.pools import Neighbors, Pool, PoolIds, SamplesAdded, SamplesRemoved
from dowser.v1 import pools_pb2


def list_pools() -> Call[tuple[Pool, ...]]:
    """PoolService.ListPools."""
    request = pools_pb2.ListPoolsRequest()
    return unary("PoolService/ListPools", request, pools_pb2.ListPoolsResponse, replies.pools)


def get_pool(name: str) -> Call[Pool]:
    """PoolService.GetPool."""
    request = fields.build(pools_pb2.GetPoolRequest, pool=name)
    return unary("PoolService/GetPool", request, pools_pb2.GetPoolResponse, replies.pool)


def get_samples(pool_ids: PoolIds, *, pool: str) -> list[Call[NDArray[Any]]]:
    """PoolService.GetSamples, as many calls as the ids need."""
    all_ids = fields.ids(pool_ids)
    pages = [
        all_ids[start : start + SAMPLES_PER_CALL]
        for start in range(0, max(len(all_ids), 1), SAMPLES_PER_CALL)
    ]
    return [
        unary(
            "PoolService/GetSamples",
            fields.build(pools_pb2.GetSamplesRequest, pool=pool, pool_ids=page),
            pools_pb2.GetSamplesResponse,
            replies.samples,
        )
        for page in pages
    ]


def search_neighbors(
    *,
    samples: NDArray[Any] | None,
    features: NDArray[Any] | None,
    pool_ids: PoolIds | None,
    k: int,
    campaign: Campaign | str | None,
    pool: str,
    min_index_version: int,
) -> Call[Neighbors]:
    """PoolService.SearchNeighbors; exactly one of samples, features and pool_ids is the query."""
    if sum(query is not None for query in (samples, features, pool_ids)) != 1:
        raise invalid_argument("give exactly one of samples, features and pool_ids", field="query")
    request = fields.build(
        pools_pb2.SearchNeighborsRequest,
        pool=pool,
        samples=tensors.encode(samples) if samples is not None else None,
        features=tensors.encode(np.asarray(features, dtype=np.float32)) if features is not None else None,
        pool_ids=pools_pb2.PoolIds(ids=fields.ids(pool_ids)) if pool_ids is not None else None,
        k=k,
        campaign_id=fields.campaign_id(campaign) if campaign is not None else "",
        min_index_version=min_index_version,
    )
    return unary("PoolService/SearchNeighbors", request, pools_pb2.SearchNeighborsResponse, replies.neighbors)


def add_samples(
    samples: NDArray[Any] | None,
    *,
    features: NDArray[Any] | None,
    pool_ids: PoolIds | None,
    pool: str,
    request_id: str | None,
) -> Call[SamplesAdded]:
    """PoolService.AddSamples: a header, then the values in chunks; exactly one of samples and features."""
    if (samples is None) == (features is None):
        raise invalid_argument("give samples or features, not both", field="samples")
    values = np.asarray(features, np.float32) if samples is None else np.asarray(samples)
    if values.ndim < 2:
        raise invalid_argument(f"give a batch [n, ...], not shape {values.shape}", field="samples")
    ids = None if pool_ids is None else np.array(fields.ids(pool_ids), np.uint64)
    if ids is not None and len(ids) != len(values):
        raise invalid_argument(f"{len(ids)} pool_ids for {len(values)} samples", field="pool_ids")
    kind = pools_pb2.SAMPLE_KIND_FEATURES if samples is None else pools_pb2.SAMPLE_KIND_RAW
    header = fields.build(
        pools_pb2.AddSamplesHeader,
        request_id=fields.request_id(request_id),
        pool=pool,
        count=len(values),
        kind=kind,
    )
    rows = max(1, CHUNK_BYTES // max(1, values[:1].nbytes))

    def parts() -> Iterator[Message]:
        yield pools_pb2.AddSamplesRequest(header=header)
        for start in range(0, len(values), rows):
            part = slice(start, start + rows)
            chunk = pools_pb2.AddSamplesChunk(
                values=tensors.encode(values[part]), pool_ids=None if ids is None else ids[part]
            )
            yield pools_pb2.AddSamplesRequest(chunk=chunk)

    return Call(
        path="/dowser.v1.PoolService/AddSamples",
        parts=parts,
        reply_type=pools_pb2.AddSamplesResponse,
        decode=replies.added,
    )


def remove_samples(pool_ids: PoolIds, *, pool: str, request_id: str | None) -> Call[SamplesRemoved]:
    """PoolService.RemoveSamples."""
    request = fields.build(
        pools_pb2.RemoveSamplesRequest,
        request_id=fields.request_id(request_id),
        pool=pool,
        pool_ids=fields.ids(pool_ids),
    )
    return unary("PoolService/RemoveSamples", request, pools_pb2.RemoveSamplesResponse, replies.removed)
