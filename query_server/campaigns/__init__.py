"""Labels, leases and rounds: the durable ledger of each labeling project."""

from query_server.campaigns.store import CampaignStore
from query_server.campaigns.values import (
    Answer,
    AnswerBuilder,
    CampaignInfo,
    Label,
    Lease,
    RankedListExhaustedError,
    Recorded,
    Request,
    RowsOf,
    Snapshot,
)

__all__ = [
    "Answer",
    "AnswerBuilder",
    "CampaignInfo",
    "CampaignStore",
    "Label",
    "Lease",
    "RankedListExhaustedError",
    "Recorded",
    "Request",
    "RowsOf",
    "Snapshot",
]
