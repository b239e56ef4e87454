"""Liveness apart from readiness, and what SIGTERM does to a server that many clients use."""

from __future__ import annotations

import signal
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from metrics_port import fetch, free_port, wait_until_working
from processes import stop_server

from client import Client, Dowser, DowserError, RandomSubset, RetryPolicy
from query_server.campaigns import CampaignStore

CLIENTS = 6
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Minutes of work, were it not stopped.
SLOW = Dowser(max_scored=500, latents=500, steps=10_000, early_stop=0, shares={"synthesis": 1.0})


@pytest.mark.parametrize("name", ["", "liveness", "readiness", "dowser.v1.AdminService"])
def test_a_running_server_is_alive_and_ready(server, name):
    with grpc.insecure_channel(server.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(health_pb2.HealthCheckRequest(service=name)).status == SERVING


def test_under_load_every_call_is_answered_or_refused_and_what_is_answered_is_all_that_happened(
    own_server, classifier_bytes
):
    server = own_server("--concurrency", 2)
    once = RetryPolicy(max_attempts=1)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        for number in range(CLIENTS):
            client.create_campaign(f"drained-{number}")
    answered: list[set[int]] = [set() for _ in range(CLIENTS)]
    refusals: list[DowserError] = []
    under_way = threading.Semaphore(0)
    draining = threading.Event()
    begun_after: list[object] = []

    def work(number: int) -> None:
        with Client.connect(server.target, timeout_seconds=60, retry=once) as client:
            while True:
                late = draining.is_set()
                try:
                    chosen = client.select_samples(
                        f"drained-{number}",
                        classifier=uploaded,
                        budget=2,
                        strategy=RandomSubset(max_scored=400),
                    )
                except DowserError as error:
                    refusals.append(error)
                    return
                answered[number] |= set(chosen.pool_ids.tolist())
                if late:
                    begun_after.append(chosen)
                under_way.release()

    def watch() -> None:
        with grpc.insecure_channel(server.target) as channel:
            request = health_pb2.HealthCheckRequest(service="readiness")
            for told in health_pb2_grpc.HealthStub(channel).Watch(request):
                if told.status == NOT_SERVING:
                    draining.set()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    threads.append(threading.Thread(target=watch))
    for thread in threads:
        thread.start()
    for _ in range(4 * CLIENTS):
        under_way.acquire(timeout=30)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    for thread in threads:
        thread.join(60)
    assert draining.is_set()
    assert len(refusals) == CLIENTS
    assert {error.grpc_code for error in refusals} == {grpc.StatusCode.UNAVAILABLE}, refusals
    assert not begun_after
    store = CampaignStore.open(server.state / "ledger.sqlite")
    try:
        for number in range(CLIENTS):
            assert set(store.leases(f"drained-{number}").tolist()) == answered[number]
    finally:
        store.close()


def test_a_watcher_hears_of_the_drain_and_does_not_delay_it(own_server):
    server = own_server("--grace-seconds", 50)
    with grpc.insecure_channel(server.target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        watching = health.Watch(health_pb2.HealthCheckRequest(service="readiness"))
        assert next(watching).status == SERVING
        server.process.send_signal(signal.SIGTERM)
        assert next(watching).status == NOT_SERVING
        assert list(watching) == []
    assert server.process.wait(timeout=30) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(own_server, classifier_bytes, second):
    port = free_port()
    server = own_server("--grace-seconds", 300, "--metrics-port", port)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("stubborn")
    outcomes = []

    def select() -> None:
        with Client.connect(server.target, retry=RetryPolicy(max_attempts=1)) as client:
            with pytest.raises(DowserError) as dropped:
                client.select_samples("stubborn", classifier=uploaded, budget=10, strategy=SLOW)
            outcomes.append(dropped.value.grpc_code)

    thread = threading.Thread(target=select)
    thread.start()
    wait_until_working(port)
    server.process.send_signal(signal.SIGTERM)
    while fetch(port, "/readyz")[0] == 200:
        time.sleep(0.01)
    assert server.process.poll() is None
    server.process.send_signal(second)
    assert server.process.wait(timeout=20) == 128 + second
    thread.join(30)
    assert outcomes == [grpc.StatusCode.UNAVAILABLE]
    again = own_server(state=server.state)
    with Client.connect(again.target) as client:
        assert client.get_campaign("stubborn").leased == 0
    assert stop_server(again) == 0


def test_calls_that_outlast_the_grace_are_ended_and_the_exit_is_clean(own_server, classifier_bytes):
    port = free_port()
    server = own_server("--grace-seconds", 1, "--metrics-port", port)
    with Client.connect(server.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("late")
    codes = []

    def select() -> None:
        with Client.connect(server.target, retry=RetryPolicy(max_attempts=1)) as client:
            with pytest.raises(DowserError) as dropped:
                client.select_samples("late", classifier=uploaded, budget=10, strategy=SLOW)
            codes.append(dropped.value.grpc_code)

    thread = threading.Thread(target=select)
    thread.start()
    wait_until_working(port)
    assert stop_server(server) == 0
    thread.join(30)
    assert codes in ([grpc.StatusCode.CANCELLED], [grpc.StatusCode.UNAVAILABLE])
