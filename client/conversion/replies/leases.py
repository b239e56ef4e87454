"""Answers on what is handed out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from client.conversion.replies import values
from client.types.leases import LeasesExtended, LeaseTerm
from dowser.v1 import campaigns_pb2, selection_pb2


def leases(reply: campaigns_pb2.ListLeasesResponse) -> NDArray[np.uint64]:
    """Read the leased ids, uint64 [n], ascending."""
    return np.fromiter(reply.pool_ids, np.uint64, len(reply.pool_ids))


def lease_terms(reply: campaigns_pb2.ListLeasesResponse) -> tuple[LeaseTerm, ...]:
    """Read what is known of each lease, by ascending id."""
    return tuple(
        LeaseTerm(
            pool_id=each.pool_id,
            round=each.round,
            lease_time=values.time(each.lease_time),
            expire_time=values.time(each.expire_time) if each.HasField("expire_time") else None,
        )
        for each in reply.terms
    )


def leases_extended(reply: campaigns_pb2.ExtendLeasesResponse) -> LeasesExtended:
    """Read how many leases have more time, and which were none."""
    return LeasesExtended(extended=reply.extended, not_leased=values.array(reply.not_leased, np.uint64))


def released(reply: selection_pb2.ReleaseSamplesResponse) -> int:
    """Read how many samples went back."""
    return int(reply.released)
