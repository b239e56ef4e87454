"""What the server holds at one moment, as those who know it report it when asked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class QueueStats:
    """Calls being worked on, calls waiting, and how many of both together are taken before one is refused."""

    running: int
    waiting: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class IndexStats:
    """The pool that is served.

    Attributes:
        pool: Its name.
        samples: In it.
        version: Of the index.
        recall_at_10: As the index's build measured it.
        outside: Rows added beside the index or removed, which every search pays for.
        compactions: Since the start.
        failed_compactions: Likewise.
        compaction_seconds: Of the last one.
    """

    pool: str
    samples: int
    version: int
    recall_at_10: float
    outside: int = 0
    compactions: int = 0
    failed_compactions: int = 0
    compaction_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class CampaignStats:
    """Campaigns, and over all of them the labels, leases and rounds."""

    campaigns: int
    labels: int
    leases: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class WorkerStats:
    """Processes that run uploaded classifiers: alive, at work, jobs that wait, and restarts since the start."""

    workers: int = 0
    busy: int = 0
    waiting: int = 0
    restarts: int = 0
