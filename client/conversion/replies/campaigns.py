"""Answers on campaigns and their rounds."""

from __future__ import annotations

from google.protobuf.message import Message

from client.conversion.replies import values
from client.types.campaigns import Campaign, CampaignImported, Round
from dowser.v1 import campaigns_pb2


def created_campaign(reply: campaigns_pb2.CreateCampaignResponse) -> Campaign:
    """Read the campaign that was made."""
    return _campaign(reply.campaign)


def campaign(reply: campaigns_pb2.GetCampaignResponse) -> Campaign:
    """Read one campaign."""
    return _campaign(reply.campaign)


def campaigns(reply: campaigns_pb2.ListCampaignsResponse) -> tuple[Campaign, ...]:
    """Read campaigns, in order of creation."""
    return tuple(_campaign(each) for each in reply.campaigns)


def nothing(reply: Message) -> None:
    """Read an answer that says no more than that it arrived."""
    del reply


def rounds(reply: campaigns_pb2.ListRoundsResponse) -> tuple[Round, ...]:
    """Read the selections of a campaign, in their order."""
    return tuple(
        Round(round=each.round, budget=each.budget, time=values.time(each.time)) for each in reply.rounds
    )


def campaign_imported(reply: campaigns_pb2.ImportCampaignResponse) -> CampaignImported:
    """Read the campaign that an import made."""
    return CampaignImported(campaign=_campaign(reply.campaign), skipped=reply.skipped)


def _campaign(message: campaigns_pb2.Campaign) -> Campaign:
    return Campaign(
        campaign_id=message.campaign_id,
        name=message.name,
        pool=message.pool,
        create_time=values.time(message.create_time),
        labeled=message.labeled,
        leased=message.leased,
        unlabeled=message.unlabeled,
        rounds=message.rounds,
        seed=message.seed,
    )
