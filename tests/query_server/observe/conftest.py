"""A server that is observed, made to do one of everything."""

from __future__ import annotations

import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from metrics_port import free_port
from processes import start_server, stop_server

from client import Client, DowserError
from dowser.v1 import selection_pb2, selection_pb2_grpc
from tests.query_server.observe.asking import Observed

LAST = frozenset({("method", "SelectSamples"), ("code", "NOT_FOUND")})


def do_one_of_everything(target: str, classifier_bytes: bytes) -> tuple[int, float]:
    """Select, repeat, label, and be refused in several ways; returns (samples scored, capture)."""
    with Client.connect(target) as client:
        classifier = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("seen")
        selected = client.select_samples("seen", classifier=classifier, budget=10, request_id="the same")
        client.select_samples("seen", classifier=classifier, budget=10, request_id="the same")
        client.record_labels("seen", {int(i): 1 for i in selected.pool_ids[:4]})
        client.get_pool()
        with pytest.raises(DowserError):
            client.get_campaign("nobody")
        with pytest.raises(DowserError):
            client.upload_classifier(b"no model")
    with grpc.insecure_channel(target) as channel:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        for method in ("/dowser.v1.SelectionService/Unheard", "/made/up"):
            with pytest.raises(grpc.RpcError):
                channel.unary_unary(method)(b"")
        request = selection_pb2.SelectSamplesRequest(
            request_id="forged\n{}", campaign_id="nobody", classifier_id="none", budget=1
        )
        with pytest.raises(grpc.RpcError):
            selection_pb2_grpc.SelectionServiceStub(channel).SelectSamples(
                request, metadata=(("authorization", "Bearer hunter2"),)
            )
    assert selected.diagnosis.capture is not None
    return selected.scored, selected.diagnosis.capture.value


@pytest.fixture(scope="session")
def observed(digits_bundle, digits_index, classifier_bytes, tmp_path_factory):
    port = free_port()
    state = tmp_path_factory.mktemp("observed") / "state"
    server = start_server(digits_bundle, digits_index, state, "--metrics-port", port, "--log-format", "json")
    scored, capture = do_one_of_everything(server.target, classifier_bytes)
    seen = Observed(server, port, scored, capture)
    # A request is counted once its answer is on its way: the last may not be yet.
    while ("dowser_requests_total", LAST) not in seen.samples():
        time.sleep(0.01)
    yield seen
    assert stop_server(server) == 0
