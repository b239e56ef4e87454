"""Starts what a server is observed by, before anything else is opened, and ends it after everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import disable_created_metrics

from query_server.observe.endpoint import Endpoint
from query_server.observe.metrics import Metrics
from query_server.observe.observer import Observer
from query_server.observe.tracing import Tracing
from query_server.observe.vitals import Vitals


@contextmanager
def observing(*, metrics_host: str, metrics_port: int, otlp_endpoint: str) -> Iterator[Observer]:
    """Observe a server for the length of a block.

    Args:
        metrics_host: Where /metrics, /livez and /readyz are served, and
        metrics_port: on which port; 0 serves none.
        otlp_endpoint: Where traces are sent; empty sends none.

    Raises:
        DowserError: UNAVAILABLE if the port is taken or OpenTelemetry is needed and not installed.
    """
    # Without the gauge beside every counter that says when it began.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics, vitals = Metrics(), Vitals()
    metrics.register_readiness(lambda: vitals.why_not_ready() is None)
    tracing = Tracing(otlp_endpoint, version=dowser_version()) if otlp_endpoint else None
    endpoint = None
    try:
        if metrics_port:
            endpoint = Endpoint(metrics_host, metrics_port, metrics=metrics, vitals=vitals)
        yield Observer(metrics=metrics, vitals=vitals, tracing=tracing)
    finally:
        if tracing is not None:
            tracing.close()
        if endpoint is not None:
            endpoint.close()


def dowser_version() -> str:
    """Return the installed version; "unknown" where the code runs without being installed."""
    try:
        return version("dowser-al")
    except PackageNotFoundError:
        return "unknown"
