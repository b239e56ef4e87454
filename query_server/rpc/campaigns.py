"""CampaignService: labeling projects on a pool."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from grpc import aio

from dowser.v1 import campaigns_pb2, campaigns_pb2_grpc
from query_server.campaigns import CampaignStore
from query_server.rpc import campaign_values, convert
from query_server.rpc.importing import receive
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
        return campaigns_pb2.CreateCampaignResponse(campaign=campaign_values.campaign(info))

    async def GetCampaign(
        self, request: campaigns_pb2.GetCampaignRequest, context: _Context
    ) -> campaigns_pb2.GetCampaignResponse:
        """Describe a campaign."""
        info = await self._workers.run(context, lambda _: self._campaigns.get(request.campaign_id))
        return campaigns_pb2.GetCampaignResponse(campaign=campaign_values.campaign(info))

    async def ListCampaigns(
        self, request: campaigns_pb2.ListCampaignsRequest, context: _Context
    ) -> campaigns_pb2.ListCampaignsResponse:
        """List the campaigns."""
        infos = await self._workers.run(context, lambda _: self._campaigns.list(request.pool))
        return campaigns_pb2.ListCampaignsResponse(
            campaigns=[campaign_values.campaign(info) for info in infos]
        )

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
        terms = await self._workers.run(context, lambda _: self._campaigns.lease_terms(request.campaign_id))
        return campaigns_pb2.ListLeasesResponse(
            pool_ids=[term.pool_id for term in terms], terms=map(campaign_values.lease_term, terms)
        )

    async def ExtendLeases(
        self, request: campaigns_pb2.ExtendLeasesRequest, context: _Context
    ) -> campaigns_pb2.ExtendLeasesResponse:
        """Give leases more time."""
        convert.refuse_more("pool_ids", request.pool_ids)
        write = convert.write_request(request, "ExtendLeases")
        ids = np.fromiter(request.pool_ids, np.uint64, len(request.pool_ids))
        outcome = await self._workers.run(
            context,
            lambda _: self._campaigns.extend(
                request.campaign_id, ids, request.seconds, write, round_=request.round
            ),
        )
        return campaigns_pb2.ExtendLeasesResponse(extended=outcome.extended, not_leased=outcome.not_leased)

    async def CorrectLabels(
        self, request: campaigns_pb2.CorrectLabelsRequest, context: _Context
    ) -> campaigns_pb2.CorrectLabelsResponse:
        """Give labeled samples other labels."""
        convert.refuse_more("labels", request.labels)
        write = convert.write_request(request, "CorrectLabels")
        labels = campaign_values.labels(request.labels)
        outcome = await self._workers.run(
            context, lambda _: self._campaigns.correct_labels(request.campaign_id, labels, write)
        )
        return campaigns_pb2.CorrectLabelsResponse(corrected=outcome.changed, labeled=outcome.labeled)

    async def RetractLabels(
        self, request: campaigns_pb2.RetractLabelsRequest, context: _Context
    ) -> campaigns_pb2.RetractLabelsResponse:
        """Take labels back."""
        convert.refuse_more("pool_ids", request.pool_ids)
        write = convert.write_request(request, "RetractLabels")
        ids = np.fromiter(request.pool_ids, np.uint64, len(request.pool_ids))
        outcome = await self._workers.run(
            context,
            lambda _: self._campaigns.retract_labels(
                request.campaign_id, ids, write, annotator=request.annotator
            ),
        )
        return campaigns_pb2.RetractLabelsResponse(retracted=outcome.changed, labeled=outcome.labeled)

    async def ListLabelHistory(
        self, request: campaigns_pb2.ListLabelHistoryRequest, context: _Context
    ) -> campaigns_pb2.ListLabelHistoryResponse:
        """List what happened to a campaign's labels."""
        events, token = await self._workers.run(
            context,
            lambda _: self._campaigns.history_page(
                request.campaign_id,
                page_size=request.page_size or _DEFAULT_PAGE,
                page_token=request.page_token,
            ),
        )
        return campaigns_pb2.ListLabelHistoryResponse(
            events=map(campaign_values.label_event, events), next_page_token=token
        )

    async def ListRounds(
        self, request: campaigns_pb2.ListRoundsRequest, context: _Context
    ) -> campaigns_pb2.ListRoundsResponse:
        """List a campaign's selections."""
        rounds = await self._workers.run(context, lambda _: self._campaigns.rounds(request.campaign_id))
        return campaigns_pb2.ListRoundsResponse(rounds=map(campaign_values.round_info, rounds))

    async def ImportCampaign(
        self, request: AsyncIterator[campaigns_pb2.ImportCampaignRequest], context: _Context
    ) -> campaigns_pb2.ImportCampaignResponse:
        """Make a campaign of what was exported from another."""
        received = await receive(request)
        header = received.header
        imported = await self._workers.run(
            context,
            lambda _: self._campaigns.import_campaign(
                header.name,
                header.pool or self._pool_name,
                header.seed,
                received.content(),
                received.write,
                skip_unknown=header.skip_unknown,
            ),
        )
        return campaigns_pb2.ImportCampaignResponse(
            campaign=campaign_values.campaign(imported.campaign), skipped=imported.skipped
        )

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
            labels=[campaign_values.label(label) for label in labels], next_page_token=token
        )
