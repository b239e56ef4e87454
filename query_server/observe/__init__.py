"""The server seen from outside: metrics, traces, logs, liveness and readiness.

Knows no other room. The rooms say nothing to it either: what a request did is read from its messages and from the
stages that `query_server.timing` reports, and what the server holds is asked for when somebody scrapes.
"""

from query_server.observe.observer import Observer
from query_server.observe.request import RequestRecord
from query_server.observe.start import dowser_version, observing
from query_server.observe.state import CampaignStats, IndexStats, QueueStats, WorkerStats

__all__ = [
    "CampaignStats",
    "IndexStats",
    "Observer",
    "QueueStats",
    "RequestRecord",
    "WorkerStats",
    "dowser_version",
    "observing",
]
