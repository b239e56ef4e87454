"""What a caller may use: buckets and counts with a clock of their own, then over the wire."""

from __future__ import annotations

import threading

import grpc
import pytest
from certificates import Authority
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from processes import start_server, stop_server

from client import Client, ResourceExhaustedError, RetryPolicy, TlsConfig
from dowser.v1 import classifiers_pb2, classifiers_pb2_grpc, selection_pb2, selection_pb2_grpc
from query_server.errors import DowserError, Reason
from query_server.rpc.limits import Bucket, Limits, Usage
from query_server.rpc.tokens import Role, append_line, new_token


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def refusal(call):
    with pytest.raises(DowserError) as refused:
        call()
    assert refused.value.reason is Reason.OVERLOADED
    return refused.value


def test_a_bucket_says_when_it_will_have_enough():
    clock = Clock()
    bucket = Bucket(rate=2, capacity=4, clock=clock)
    assert [bucket.take(1) for _ in range(5)] == [0, 0, 0, 0, 0.5]
    clock.now += 0.5
    assert bucket.take(1) == 0
    assert not bucket.is_full()
    clock.now += 2
    assert bucket.is_full()


def test_what_is_larger_than_a_bucket_leaves_a_debt():
    clock = Clock()
    bucket = Bucket(rate=1, capacity=4, clock=clock)
    assert bucket.take(10) == 0
    assert bucket.take(1) == 7


def test_callers_are_counted_apart():
    usage = Usage(Limits(concurrency=1))
    with usage.call("a"):
        assert refusal(lambda: usage.call("a").__enter__()).retry_after_seconds > 0
        with usage.call("b"):
            pass
    with usage.call("a"):
        pass


def test_a_rate_refuses_until_it_is_refilled():
    clock = Clock()
    usage = Usage(Limits(requests_per_second=1), clock=clock)
    for _ in range(2):
        with usage.call("a"):
            pass
    assert refusal(lambda: usage.call("a").__enter__()).retry_after_seconds == 1
    clock.now += 1
    with usage.call("a"):
        pass


def test_uploads_and_held_bytes_have_limits():
    clock = Clock()
    usage = Usage(Limits(upload_bytes_per_minute=60, memory_bytes=100), clock=clock)
    usage.upload("a", 60)
    assert refusal(lambda: usage.upload("a", 6)).retry_after_seconds == 6
    usage.upload("b", 60)
    usage.hold(90)
    refusal(lambda: usage.hold(20))
    usage.let_go(90)
    usage.hold(20)


def test_no_limit_is_none():
    usage = Usage(Limits())
    for _ in range(1000):
        usage.call("a").__enter__()
    usage.upload("a", 2**50)
    usage.hold(2**50)


def test_idle_callers_are_forgotten():
    clock = Clock()
    usage = Usage(Limits(concurrency=1, requests_per_second=1, upload_bytes_per_minute=60), clock=clock)
    with usage.call("stays"):
        for caller in range(10_000):
            with usage.call(str(caller)):
                clock.now += 1
        assert len(usage._callers) < 5000
        refusal(lambda: usage.call("stays").__enter__())


def details(error):
    """Return the reason and the delay that a failed call told."""
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info) or detail.Unpack(retry)
    return info.reason, retry.retry_delay.ToTimedelta().total_seconds()


def occupying(uploaded, name):
    request = selection_pb2.SelectSamplesRequest(
        request_id=name, campaign_id="busy", classifier_id=uploaded, budget=10
    )
    request.dowser.max_scored = 500
    request.dowser.synthesis.latents = 500
    request.dowser.synthesis.steps = 10_000
    request.dowser.synthesis.early_stop = 0
    request.dowser.shares.add(source="CANDIDATE_SOURCE_SYNTHESIS", share=1)
    return request


def test_health_answers_while_every_worker_and_place_in_the_queue_is_taken(own_server, classifier_bytes):
    server = own_server("--concurrency", 1, "--queue", 2, "--caller-concurrency", 4)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("busy")
    with grpc.insecure_channel(server.target) as channel:
        stub = selection_pb2_grpc.SelectionServiceStub(channel)
        refused = threading.Event()
        calls = []
        for number in range(8):
            calls.append(stub.SelectSamples.future(occupying(uploaded, f"call-{number}")))
            calls[-1].add_done_callback(lambda _: refused.set())
        assert refused.wait(20)
        health = health_pb2_grpc.HealthStub(channel)
        for _ in range(50):
            answer = health.Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        failed = [call.exception() for call in calls if call.done()]
        assert failed
        for error in failed:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            reason, delay = details(error)
            assert reason == "OVERLOADED"
            assert delay > 0
        for call in calls:
            call.cancel()


def test_one_caller_at_its_rate_does_not_slow_another(own_server, tmp_path):
    path = tmp_path / "tokens.toml"
    made = {}
    for name in ("greedy", "modest"):
        made[name], line = new_token(name, [Role.SELECT])
        append_line(path, line)
    server = own_server("--tokens", path, "--caller-requests-per-second", 0.5)
    once = RetryPolicy(max_attempts=1)
    with Client.connect(server.target, token=made["greedy"], retry=once) as greedy:
        greedy.list_pools()
        with pytest.raises(ResourceExhaustedError, match="a second") as refused:
            for _ in range(10):
                greedy.list_pools()
        assert refused.value.retry_after_seconds > 0
    with Client.connect(server.target, token=made["modest"], retry=once) as modest:
        modest.list_pools()


def test_callers_with_certificates_are_told_apart_by_their_names(own_server, tmp_path):
    authority = Authority(tmp_path / "authority", "authority")
    pair = authority.issue("dowser.test")
    server = own_server(
        *("--tls-certificate", pair.certificate, "--tls-key", pair.key),
        *("--tls-client-ca", authority.certificate, "--caller-requests-per-second", 0.5),
    )

    def pools(name, calls):
        own = authority.issue(name)
        tls = TlsConfig(
            ca_certificates=authority.certificate, client_certificate=own.certificate, client_key=own.key
        )
        with Client.connect(server.target, tls=tls, retry=RetryPolicy(max_attempts=1)) as client:
            for _ in range(calls):
                client.list_pools()

    with pytest.raises(ResourceExhaustedError, match="a second"):
        pools("greedy.test", 10)
    pools("modest.test", 1)


@pytest.fixture(scope="module")
def strict(digits_bundle, digits_index, tmp_path_factory):
    limits = ("--stream-idle-seconds", 1, "--stream-seconds", 3, "--max-stream-bytes", 1_000_000)
    state = tmp_path_factory.mktemp("strict") / "state"
    running = start_server(
        digits_bundle, digits_index, state, *limits, "--max-request-memory-bytes", 3_000_000
    )
    yield running
    assert stop_server(running) == 0


def header(size):
    return classifiers_pb2.UploadClassifierRequest(
        header=classifiers_pb2.UploadClassifierHeader(size_bytes=size, sha256="0" * 64)
    )


def upload(server, parts):
    with grpc.insecure_channel(server.target) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            classifiers_pb2_grpc.ClassifierServiceStub(channel).UploadClassifier(parts, timeout=30)
        return refused.value


def test_a_sender_that_stops_is_not_waited_for(strict):
    done = threading.Event()

    def parts():
        yield header(100)
        done.wait(30)

    error = upload(strict, parts())
    done.set()
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert details(error)[0] == "DEADLINE_EXCEEDED"


def test_a_stream_that_never_ends_is_ended(strict):
    done = threading.Event()

    def drip():
        yield header(10_000)
        while not done.wait(0.1):
            yield classifiers_pb2.UploadClassifierRequest(chunk=b"x")

    def flood():
        yield header(60_000_000)
        while not done.is_set():
            yield classifiers_pb2.UploadClassifierRequest(chunk=bytes(100_000))

    error = upload(strict, drip())
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    error = upload(strict, flood())
    done.set()
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(error)[0] == "TOO_LARGE"


def test_a_call_without_its_message_is_not_waited_for(strict):
    done = threading.Event()

    def nothing():
        done.wait(30)
        yield from ()

    with grpc.insecure_channel(strict.target) as channel:
        call = channel.stream_unary("/dowser.v1.PoolService/ListPools")
        with pytest.raises(grpc.RpcError) as silent:
            call(nothing(), timeout=30)
        done.set()
        with pytest.raises(grpc.RpcError) as empty:
            call(iter(()), timeout=30)
    assert silent.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert details(silent.value)[0] == "DEADLINE_EXCEEDED"
    assert empty.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(empty.value)[0] == "INVALID_ARGUMENT"


def test_what_does_not_parse_is_an_invalid_argument(server):
    with grpc.insecure_channel(server.target) as channel:
        for method in (
            "dowser.v1.PoolService/GetPool",
            "dowser.v1.ClassifierService/UploadClassifier",
            "grpc.health.v1.Health/Check",
            "grpc.health.v1.Health/Watch",
            "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ):
            call = channel.unary_stream(f"/{method}")
            with pytest.raises(grpc.RpcError) as refused:
                list(call(b"\xff\xff\xff", timeout=30))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert details(refused.value)[0] == "INVALID_ARGUMENT"
            assert "Decode" not in refused.value.details()


def test_a_message_above_what_all_requests_may_hold_is_too_large(own_server):
    server = own_server("--max-request-memory-bytes", 100_000)
    with grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/dowser.v1.PoolService/GetPool")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"\x9a\x06" + b"\xc0\x84\x3d" + bytes(1_000_000), timeout=30)  # field 99, unknown: 1 MB
        assert details(refused.value) == ("TOO_LARGE", 0)
        assert call(b"", timeout=30)


def test_short_calls_are_answered_while_every_place_for_rounds_is_taken(own_server, classifier_bytes):
    server = own_server("--concurrency", 1, "--queue", 2)
    with Client.connect(server.target) as client, grpc.insecure_channel(server.target) as channel:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("busy")
        stub = selection_pb2_grpc.SelectionServiceStub(channel)
        refused = threading.Event()
        calls = []
        for number in range(4):
            calls.append(stub.SelectSamples.future(occupying(uploaded, f"call-{number}")))
            calls[-1].add_done_callback(lambda _: refused.set())
        assert refused.wait(20)  # three are under way or wait
        assert client.record_labels("busy", {3: 1}).recorded == 1
        assert client.get_campaign("busy").labeled == 1
        assert client.search_neighbors(pool_ids=[3], k=2)
        assert sum(call.done() for call in calls) == 1
        for call in calls:
            call.cancel()
