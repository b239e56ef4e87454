"""CampaignService: labeling projects on a pool."""

from __future__ import annotations

from typing import Any

from grpc import aio

from dowser.v1 import campaigns_pb2, campaigns_pb2_grpc
from query_server.campaigns import CampaignStore
from query_server.rpc import convert
from query_server.rpc.work import Workers

_DEFAULT_PAGE = 10_000
_Context = aio.ServicerContext[Any, Any]


class CampaignServicer(campaigns_pb2_grpc.CampaignServiceServicer):
    """Manages campaigns on the served pool."""

    def __init__(self, *, campaigns: CampaignStore, pool_name: str, workers: Workers) -> None:
        self._campaigns = campaigns
        self._pool_name = pool_name
        self._workers = workers

    async def CreateCampaign(
        self, request: campaigns_pb2.CreateCampaignRequest, context: _Context
    ) -> campaigns_pb2.CreateCampaignResponse:
        """Create a campaign."""
        write = convert.write_request(request, "CreateCampaign")
        pool = request.pool or self._pool_name
        info = await self._workers.run(
            context, lambda _: self._campaigns.create(request.name, pool, request.seed, write)
        )
        return campaigns_pb2.CreateCampaignResponse(campaign=convert.campaign(info))

    async def GetCampaign(
        self, request: campaigns_pb2.GetCampaignRequest, context: _Context
    ) -> campaigns_pb2.GetCampaignResponse:
        """Describe a campaign."""
        info = await self._workers.run(context, lambda _: self._campaigns.get(request.campaign_id))
        return campaigns_pb2.GetCampaignResponse(campaign=convert.campaign(info))

    async def ListCampaigns(
        self, request: campaigns_pb2.ListCampaignsRequest, context: _Context
    ) -> campaigns_pb2.ListCampaignsResponse:
        """List the campaigns."""
        infos = await self._workers.run(context, lambda _: self._campaigns.list(request.pool))
        return campaigns_pb2.ListCampaignsResponse(campaigns=[convert.campaign(info) for info in infos])

    async def DeleteCampaign(
        self, request: campaigns_pb2.DeleteCampaignRequest, context: _Context
    ) -> campaigns_pb2.DeleteCampaignResponse:
        """Delete a campaign."""
        write = convert.write_request(request, "DeleteCampaign")
        await self._workers.run(context, lambda _: self._campaigns.delete(request.campaign_id, write))
        return campaigns_pb2.DeleteCampaignResponse()

    async def ListLeases(
        self, request: campaigns_pb2.ListLeasesRequest, context: _Context
    ) -> campaigns_pb2.ListLeasesResponse:
        """List a campaign's leases."""
        ids = await self._workers.run(context, lambda _: self._campaigns.leases(request.campaign_id))
        return campaigns_pb2.ListLeasesResponse(pool_ids=ids)

    async def ListLabels(
        self, request: campaigns_pb2.ListLabelsRequest, context: _Context
    ) -> campaigns_pb2.ListLabelsResponse:
        """List a campaign's labels."""
        labels, token = await self._workers.run(
            context,
            lambda _: self._campaigns.labels_page(
                request.campaign_id,
                page_size=request.page_size or _DEFAULT_PAGE,
                page_token=request.page_token,
            ),
        )
        return campaigns_pb2.ListLabelsResponse(
            labels=[convert.label(label) for label in labels], next_page_token=token
        )
