"""Follows each request from its arrival to its end, and tells metrics, traces and the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from query_server import timing
from query_server.observe.metrics import Metrics
from query_server.observe.request import CURRENT, RequestRecord
from query_server.observe.tracing import Tracing
from query_server.observe.vitals import Vitals

_ACCESS = logging.getLogger("query_server.access")


class Observer:
    """Where a server's requests are observed.

    Args:
        metrics: Counts them.
        vitals: Whether the server is alive and ready; told by those who start and stop it.
        tracing: Traces them; None where traces are off.
    """

    def __init__(self, *, metrics: Metrics, vitals: Vitals, tracing: Tracing | None = None) -> None:
        self.metrics = metrics
        self.vitals = vitals
        self._tracing = tracing

    @property
    def traces(self) -> bool:
        """Whether anybody wants to know what a request was about."""
        return self._tracing is not None

    def begin(self, record: RequestRecord, headers: Mapping[str, str]) -> None:
        """Follow a request from here on: what runs in this context and in copies of it belongs to it.

        Args:
            record: The request; ``record.end(code)`` ends it.
            headers: Its metadata, for a trace to continue.
        """
        CURRENT.set(record)
        timing.LISTENER.set(record.add_stage)
        if self._tracing is not None:
            self._tracing.begin(record, headers)

    def end(self, record: RequestRecord) -> None:
        """Tell of a request that has ended."""
        if self._tracing is not None:
            self._tracing.end(record)
        reason = f" ({record.reason})" if record.reason else ""
        _ACCESS.info("%s %s%s in %.1f ms", record.name, record.code, reason, record.seconds * 1e3)
        self.metrics.count_request(record)  # last: who sees the count finds the line
