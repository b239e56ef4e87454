"""Labels, leases and rounds: the durable ledger of each labeling project."""

from query_server.campaigns.importing import CampaignContent
from query_server.campaigns.store import CampaignStore
from query_server.campaigns.values import (
    Answer,
    AnswerBuilder,
    CampaignInfo,
    Change,
    Changed,
    CurrentState,
    Extended,
    Imported,
    Label,
    LabelEvent,
    Lease,
    LeaseTerm,
    PoolState,
    RankedListExhaustedError,
    Recorded,
    Request,
    RoundInfo,
    Snapshot,
)

__all__ = [
    "Answer",
    "AnswerBuilder",
    "CampaignContent",
    "CampaignInfo",
    "CampaignStore",
    "Change",
    "Changed",
    "CurrentState",
    "Extended",
    "Imported",
    "Label",
    "LabelEvent",
    "Lease",
    "LeaseTerm",
    "PoolState",
    "RankedListExhaustedError",
    "Recorded",
    "Request",
    "RoundInfo",
    "Snapshot",
]
