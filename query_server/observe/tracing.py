"""OpenTelemetry: one span a request, a child for every run of a stage, sent over OTLP on a thread of its own.

A trace that the caller began is continued (W3C ``traceparent`` in the request's metadata). Sampling, headers, batch
sizes and resource attributes are OpenTelemetry's own ``OTEL_…`` environment variables. Its packages are an extra.
"""

from __future__ import annotations

from collections.abc import Mapping

from query_server.errors import unavailable
from query_server.observe.request import RequestRecord

_EXPORT_SECONDS = 5
# Codes that are the server's fault, after OpenTelemetry's conventions for servers of gRPC.
_FAULTS = ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")


class Tracing:
    """Makes and sends spans.

    Args:
        endpoint: Of an OTLP collector over gRPC, for example ``"http://127.0.0.1:4317"``; https for TLS.
        version: The server's, for the resource.

    Raises:
        DowserError: UNAVAILABLE if OpenTelemetry is not installed.
    """

    def __init__(self, endpoint: str, *, version: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ModuleNotFoundError as error:
            raise unavailable(
                f"otlp_endpoint is set, but {error.name} is not installed; install it with: "
                'pip install "dowser-al[tracing]", or set no otlp_endpoint'
            ) from None
        self._trace = trace
        self._propagator = TraceContextTextMapPropagator()
        resource = Resource.create({"service.name": "dowser-server", "service.version": version})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(
            endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=_EXPORT_SECONDS
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("dowser-server", version)

    def begin(self, record: RequestRecord, headers: Mapping[str, str]) -> None:
        """Start a request's span, below the caller's where the headers name one."""
        record.span = self._tracer.start_span(
            record.method,
            context=self._propagator.extract(headers),
            kind=self._trace.SpanKind.SERVER,
            start_time=record.started_ns,
        )

    def end(self, record: RequestRecord) -> None:
        """End a request's span, with a child for each run of a stage."""
        span = record.span
        if span is None:
            return
        if span.is_recording():
            service, _, method = record.method.rpartition("/")
            span.set_attributes(
                {
                    "rpc.system": "grpc",
                    "rpc.service": service,
                    "rpc.method": method,
                    "rpc.grpc.status_code_name": record.code,
                    "network.peer.address": record.peer,
                    "dowser.request_id": record.request_id,
                    **{f"dowser.{name}": value for name, value in record.facts.items()},
                }
            )
            for name in ("caller", "reason", "incident"):
                if value := getattr(record, name):
                    span.set_attribute(f"dowser.{name}", value)
            if record.runs_left_out:
                span.set_attribute("dowser.stage_runs_left_out", record.runs_left_out)
            if record.code in _FAULTS:
                span.set_status(
                    self._trace.Status(self._trace.StatusCode.ERROR, record.reason or record.code)
                )
            parent = self._trace.set_span_in_context(span)
            for run in tuple(record.runs):
                child = self._tracer.start_span(
                    run.stage,
                    context=parent,
                    start_time=record.wall_ns(run.started),
                    attributes={"dowser.engine_seconds": run.engine_seconds},
                )
                child.end(record.wall_ns(run.ended))
        span.end(record.wall_ns(record.started + record.seconds))

    def close(self) -> None:
        """Send what is left, then end the thread."""
        self._provider.shutdown()
