"""Campaigns and their rounds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One labeling project on a pool, as it stood when the server answered."""

    campaign_id: str
    name: str
    pool: str
    create_time: datetime  # UTC
    labeled: int
    leased: int  # handed out and not labeled yet
    unlabeled: int  # neither labeled nor leased
    rounds: int  # selections made so far
    seed: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """One selection of a campaign."""

    round: int  # from 1
    budget: int  # samples it handed out
    time: datetime  # UTC


@dataclass(frozen=True, kw_only=True)
class CampaignImported:
    """The outcome of an import."""

    campaign: Campaign
    skipped: int  # samples that the pool does not hold and that were left out
