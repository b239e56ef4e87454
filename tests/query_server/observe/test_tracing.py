"""Traces of a real server, as an OTLP collector of the test's own receives them."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from processes import run_command, start_server, stop_server

from client import Client
from dowser.v1 import acquisition_pb2, selection_pb2, selection_pb2_grpc

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.received = []

    def Export(self, request, context):  # noqa: N802 - the API's name
        self.received.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self):
        return [
            span
            for request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def value(attribute):
    return getattr(attribute, attribute.WhichOneof("value"))


def attributes(span):
    return {pair.key: value(pair.value) for pair in span.attributes}


@pytest.fixture(scope="module")
def collector(digits_bundle, digits_index, classifier_bytes, tmp_path_factory):
    """What was received of a server that answered one traced selection and refused one request."""
    collector = Collector()
    receiving = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, receiving)
    port = receiving.add_insecure_port("127.0.0.1:0")
    receiving.start()
    state = tmp_path_factory.mktemp("traced") / "state"
    options = ("--otlp-endpoint", f"http://127.0.0.1:{port}")
    server = start_server(digits_bundle, digits_index, state, *options)
    with Client.connect(server.target) as client:
        classifier = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("traced")
    with grpc.insecure_channel(server.target) as channel:
        stub = selection_pb2_grpc.SelectionServiceStub(channel)
        request = selection_pb2.SelectSamplesRequest(
            request_id="r1",
            campaign_id="traced",
            classifier_id=classifier,
            budget=5,
            acquisition=acquisition_pb2.ACQUISITION_FUNCTION_MAXIMUM_ENTROPY,
        )
        request.dowser.max_scored = 100
        request.dowser.shares.add(source="CANDIDATE_SOURCE_SYNTHESIS", share=1)
        stub.SelectSamples(request, metadata=(("traceparent", f"00-{TRACE}-{PARENT}-01"),))
        request.request_id, request.campaign_id = "r2", "nobody"
        with pytest.raises(grpc.RpcError):
            stub.SelectSamples(request)
    assert stop_server(server) == 0
    yield collector
    receiving.stop(0).wait()


def test_a_request_continues_its_callers_trace_and_says_what_it_was(collector):
    span = next(span for span in collector.spans() if span.trace_id.hex() == TRACE and span.kind == 2)
    assert span.name == "dowser.v1.SelectionService/SelectSamples"
    assert span.parent_span_id.hex() == PARENT
    said = attributes(span)
    assert said["dowser.request_id"] == "r1"
    assert said["dowser.campaign_id"] == "traced"
    assert said["dowser.budget"] == 5
    assert said["dowser.scored"] == 100
    assert said["dowser.index_version"] == 1
    assert said["dowser.acquisition"] == "acquisition_function_maximum_entropy"
    assert said["dowser.strategy"] == "dowser"
    assert said["rpc.grpc.status_code_name"] == "OK"


def test_each_run_of_a_stage_is_a_child_within_its_request(collector):
    root = next(span for span in collector.spans() if span.trace_id.hex() == TRACE and span.kind == 2)
    children = [span for span in collector.spans() if span.parent_span_id == root.span_id]
    stages = [span.name for span in sorted(children, key=lambda span: span.start_time_unix_nano)]
    assert stages[:2] == ["queue", "prepare"]
    assert stages[-1] == "commit"
    assert {"synthesize", "search", "score", "choose", "pick"} <= set(stages)
    for span in children:
        assert root.start_time_unix_nano <= span.start_time_unix_nano
        assert span.start_time_unix_nano <= span.end_time_unix_nano <= root.end_time_unix_nano
    in_turn = sorted(children, key=lambda span: span.start_time_unix_nano)
    for before, after in itertools.pairwise(in_turn):
        assert before.end_time_unix_nano <= after.start_time_unix_nano + 1000  # rounded to nanoseconds


def test_a_refused_request_has_a_trace_with_its_reason(collector):
    refused = next(span for span in collector.spans() if attributes(span).get("dowser.request_id") == "r2")
    assert attributes(refused)["dowser.reason"] == "CAMPAIGN_NOT_FOUND"
    assert refused.trace_id.hex() != TRACE
    assert not refused.parent_span_id


def test_a_server_without_its_collector_serves_and_stops(digits_bundle, digits_index, tmp_path):
    options = ("--otlp-endpoint", "http://127.0.0.1:9")
    server = start_server(digits_bundle, digits_index, tmp_path / "state", *options)
    with Client.connect(server.target) as client:
        assert client.get_pool().name == "digits"
    assert stop_server(server) == 0


def test_an_endpoint_with_a_password_is_refused_without_repeating_it():
    done = run_command(
        "dowser-server", "serve", "--bundle", "b", "--index", "i", "--otlp-endpoint", "http://me:hunter2@host"
    )
    assert done.returncode == 2
    assert "--otlp-endpoint" in done.stderr
    assert "hunter2" not in done.stderr
