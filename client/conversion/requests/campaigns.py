"""Calls on campaigns and their rounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from client.conversion import fields
from client.conversion.call import Call, unary
from client.conversion.replies import campaigns as replies
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.labels import LabelEvent
from client.types.leases import LeaseTerm
from dowser.v1 import campaigns_pb2

ENTRIES_PER_CHUNK = 5_000


def create_campaign(name: str, *, pool: str, seed: int, request_id: str | None) -> Call[Campaign]:
    """CampaignService.CreateCampaign."""
    request = fields.build(
        campaigns_pb2.CreateCampaignRequest,
        request_id=fields.request_id(request_id),
        name=name,
        pool=pool,
        seed=seed,
    )
    return unary(
        "CampaignService/CreateCampaign",
        request,
        campaigns_pb2.CreateCampaignResponse,
        replies.created_campaign,
    )


def get_campaign(campaign: Campaign | str) -> Call[Campaign]:
    """CampaignService.GetCampaign."""
    request = fields.build(campaigns_pb2.GetCampaignRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/GetCampaign", request, campaigns_pb2.GetCampaignResponse, replies.campaign)


def list_campaigns(*, pool: str) -> Call[tuple[Campaign, ...]]:
    """CampaignService.ListCampaigns."""
    request = fields.build(campaigns_pb2.ListCampaignsRequest, pool=pool)
    return unary(
        "CampaignService/ListCampaigns", request, campaigns_pb2.ListCampaignsResponse, replies.campaigns
    )


def delete_campaign(campaign: Campaign | str, *, request_id: str | None) -> Call[None]:
    """CampaignService.DeleteCampaign."""
    request = fields.build(
        campaigns_pb2.DeleteCampaignRequest,
        request_id=fields.request_id(request_id),
        campaign_id=fields.campaign_id(campaign),
    )
    return unary(
        "CampaignService/DeleteCampaign", request, campaigns_pb2.DeleteCampaignResponse, replies.nothing
    )


def list_rounds(campaign: Campaign | str) -> Call[tuple[Round, ...]]:
    """CampaignService.ListRounds."""
    request = fields.build(campaigns_pb2.ListRoundsRequest, campaign_id=fields.campaign_id(campaign))
    return unary("CampaignService/ListRounds", request, campaigns_pb2.ListRoundsResponse, replies.rounds)


def import_campaign(
    name: str,
    *,
    pool: str,
    seed: int,
    events: Iterable[LabelEvent],
    leases: Iterable[LeaseTerm],
    rounds: Iterable[Round],
    skip_unknown: bool,
    request_id: str | None,
) -> Call[CampaignImported]:
    """CampaignService.ImportCampaign: a header, then the content in chunks."""
    header = fields.build(
        campaigns_pb2.ImportCampaignHeader,
        request_id=fields.request_id(request_id),
        name=name,
        pool=pool,
        seed=seed,
        skip_unknown=skip_unknown,
    )
    content = [
        *(("events", _label_event(each)) for each in events),
        *(("leases", _lease_term(each)) for each in leases),
        *(("rounds", _round(each)) for each in rounds),
    ]

    def parts() -> Iterator[Message]:
        yield campaigns_pb2.ImportCampaignRequest(header=header)
        for start in range(0, len(content), ENTRIES_PER_CHUNK):
            chunk = campaigns_pb2.ImportCampaignChunk()
            for name, message in content[start : start + ENTRIES_PER_CHUNK]:
                getattr(chunk, name).append(message)
            yield campaigns_pb2.ImportCampaignRequest(chunk=chunk)

    return Call(
        path="/dowser.v1.CampaignService/ImportCampaign",
        parts=parts,
        reply_type=campaigns_pb2.ImportCampaignResponse,
        decode=replies.campaign_imported,
    )


def _label_event(value: LabelEvent) -> campaigns_pb2.LabelEvent:
    """Write one entry of a history of labels; what the label was before is for the server to work out."""
    return fields.build(
        campaigns_pb2.LabelEvent,
        change=f"LABEL_CHANGE_{value.change.name}",
        pool_id=fields.integer(value.pool_id),
        label=None if value.label is None else fields.integer(value.label),
        annotator=value.annotator,
        time=_timestamp(value.time),
    )


def _lease_term(value: LeaseTerm) -> campaigns_pb2.LeaseTerm:
    """Write what is known of a lease."""
    return fields.build(
        campaigns_pb2.LeaseTerm,
        pool_id=fields.integer(value.pool_id),
        round=value.round,
        lease_time=_timestamp(value.lease_time),
        expire_time=_timestamp(value.expire_time),
    )


def _round(value: Round) -> campaigns_pb2.Round:
    """Write one selection of a campaign."""
    return fields.build(
        campaigns_pb2.Round, round=value.round, budget=value.budget, time=_timestamp(value.time)
    )


def _timestamp(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC))
    return stamp
