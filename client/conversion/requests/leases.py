"""Calls on what is handed out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from client.conversion import fields
from client.conversion.call import Call, unary
from client.conversion.replies import leases as replies
from client.types.campaigns import Campaign
from client.types.leases import LeasesExtended, LeaseTerm
from client.types.pools import PoolIds
from dowser.v1 import campaigns_pb2, selection_pb2


def list_leases(campaign: Campaign | str) -> Call[NDArray[np.uint64]]:
    """CampaignService.ListLeases."""
    request = fields.build(campaigns_pb2.ListLeasesRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/ListLeases", request, campaigns_pb2.ListLeasesResponse, replies.leases)


def list_lease_terms(campaign: Campaign | str) -> Call[tuple[LeaseTerm, ...]]:
    """CampaignService.ListLeases, with what is known of each lease."""
    request = fields.build(campaigns_pb2.ListLeasesRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/ListLeases", request, campaigns_pb2.ListLeasesResponse, replies.lease_terms)


def extend_leases(
    campaign: Campaign | str, pool_ids: PoolIds, *, seconds: float, round: int, request_id: str | None
) -> Call[LeasesExtended]:
    """CampaignService.ExtendLeases."""
    request = fields.build(
        campaigns_pb2.ExtendLeasesRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        pool_ids=fields.ids(pool_ids),
        seconds=seconds,
        round=round,
    )
    return unary(
        "CampaignService/ExtendLeases", request, campaigns_pb2.ExtendLeasesResponse, replies.leases_extended
    )


def release_samples(campaign: Campaign | str, pool_ids: PoolIds, *, request_id: str | None) -> Call[int]:
    """SelectionService.ReleaseSamples."""
    request = fields.build(
        selection_pb2.ReleaseSamplesRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
        pool_ids=fields.ids(pool_ids),
    )
    return unary(
        "SelectionService/ReleaseSamples", request, selection_pb2.ReleaseSamplesResponse, replies.released
    )
