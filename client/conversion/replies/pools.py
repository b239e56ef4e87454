"""Answers of PoolService."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.conversion import tensors
from client.conversion.replies import values
from client.types.pools import Neighbors, Pool, SamplesAdded, SamplesRemoved
from dowser.v1 import pools_pb2


def pools(reply: pools_pb2.ListPoolsResponse) -> tuple[Pool, ...]:
    """Read the pools of a server."""
    return tuple(_pool(each) for each in reply.pools)


def pool(reply: pools_pb2.GetPoolResponse) -> Pool:
    """Read one pool."""
    return _pool(reply.pool)


def samples(reply: pools_pb2.GetSamplesResponse) -> NDArray[Any]:
    """Read raw samples, [n, *raw_shape]."""
    return tensors.decode(reply.samples)


def added(reply: pools_pb2.AddSamplesResponse) -> SamplesAdded:
    """Read what was added."""
    return SamplesAdded(
        pool_ids=values.array(reply.pool_ids, np.uint64), index_version=reply.index_version, size=reply.size
    )


def removed(reply: pools_pb2.RemoveSamplesResponse) -> SamplesRemoved:
    """Read what was removed."""
    return SamplesRemoved(removed=reply.removed, index_version=reply.index_version, size=reply.size)


def neighbors(reply: pools_pb2.SearchNeighborsResponse) -> Neighbors:
    """Read the neighbors of each query."""
    return Neighbors(
        pool_ids=tuple(values.array(each.pool_ids, np.uint64) for each in reply.results),
        distances=tuple(values.array(each.distances, np.float32) for each in reply.results),
        index_version=reply.index_version,
    )


def _pool(message: pools_pb2.Pool) -> Pool:
    return Pool(
        name=message.name,
        size=message.size,
        raw_shape=tuple(message.raw_shape),
        raw_dtype=tensors.numpy_dtype(message.raw_dtype),
        input_shape=tuple(message.input_shape),
        input_min=message.input_min,
        input_max=message.input_max,
        scale=message.scale,
        offset=message.offset,
        feature_dim=message.feature_dim,
        latent_dim=message.latent_dim,
        index_factory=message.index_factory,
        recall_at_10=message.recall_at_10,
        index_version=message.index_version,
        bundle_digest=message.bundle_digest,
        added=message.added,
        removed=message.removed,
        has_samples=message.has_samples if message.HasField("has_samples") else True,
    )
