"""Labels, leases and rounds: the durable ledger of each labeling project."""

from query_server.campaigns.store import CampaignStore
from query_server.campaigns.values import (
    Answer,
    AnswerBuilder,
    CampaignInfo,
    CurrentState,
    Label,
    Lease,
    PoolState,
    RankedListExhaustedError,
    Recorded,
    Request,
    Snapshot,
)

__all__ = [
    "Answer",
    "AnswerBuilder",
    "CampaignInfo",
    "CampaignStore",
    "CurrentState",
    "Label",
    "Lease",
    "PoolState",
    "RankedListExhaustedError",
    "Recorded",
    "Request",
    "Snapshot",
]
