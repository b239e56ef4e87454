from __future__ import annotations

import asyncio
import socket
import threading
import time

import grpc
import pytest

from client import (
    AsyncClient,
    Client,
    DeadlineExceededError,
    DowserError,
    InvalidArgumentError,
    ResourceExhaustedError,
    RetryPolicy,
    UnavailableError,
)
from client.retry import Attempts
from tests.client.peer import Peer, refusal, start_peer

BUSY = grpc.StatusCode.RESOURCE_EXHAUSTED
AWAY = grpc.StatusCode.UNAVAILABLE


def test_an_unavailable_server_is_asked_again(client: Client, peer: Peer) -> None:
    peer.refusals = [refusal(AWAY), refusal(AWAY)]
    assert client.get_pool().size == 3
    assert len(peer.requests) == 3


def test_a_write_keeps_its_request_id_over_all_attempts(client: Client, peer: Peer) -> None:
    peer.refusals = [refusal(AWAY), refusal(BUSY, retry_seconds=0.01)]
    client.create_campaign("digits")
    assert len(peer.requests) == 3
    assert len({request.request_id for request in peer.requests}) == 1


def test_two_writes_never_share_a_request_id(client: Client, peer: Peer) -> None:
    client.create_campaign("digits")
    client.create_campaign("digits")
    assert len({request.request_id for request in peer.requests}) == 2


def test_an_upload_is_sent_again_from_its_first_byte(client: Client, peer: Peer) -> None:
    model = b"x" * (3 << 20)
    peer.refusals = [refusal(AWAY)]
    assert client.upload_classifier(model).size_bytes == len(model)
    first, second = peer.requests
    assert first == second


def test_an_overloaded_server_is_asked_again_only_if_it_says_when(client: Client, peer: Peer) -> None:
    peer.refusals = [refusal(BUSY, retry_seconds=0.15)]
    started = time.monotonic()
    client.get_pool()
    assert time.monotonic() - started >= 0.15
    peer.reset()
    peer.refusals = [refusal(BUSY)]
    with pytest.raises(ResourceExhaustedError):
        client.get_pool()
    assert len(peer.requests) == 1


def test_a_refusal_that_will_not_change_is_final(client: Client, peer: Peer) -> None:
    for code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL, grpc.StatusCode.ABORTED):
        peer.reset()
        peer.refusals = [refusal(code)]
        with pytest.raises(DowserError):
            client.get_pool()
        assert len(peer.requests) == 1


def test_the_last_error_is_raised_when_the_attempts_are_used_up(client: Client, peer: Peer) -> None:
    peer.refusals = [refusal(AWAY, f"attempt {i}") for i in range(10)]
    with pytest.raises(UnavailableError, match="attempt 3"):
        client.get_pool()
    assert len(peer.requests) == 4


def test_a_wait_beyond_the_deadline_is_not_begun(peer: Peer, quick: RetryPolicy) -> None:
    peer.refusals = [refusal(BUSY, retry_seconds=600)]
    started = time.monotonic()
    with (
        Client.connect(peer.target, timeout_seconds=2, retry=quick) as client,
        pytest.raises(ResourceExhaustedError) as caught,
    ):
        client.get_pool()
    assert caught.value.retry_after_seconds == 600
    assert time.monotonic() - started < 300  # no part of it


def test_the_asyncio_client_retries_alike(peer: Peer, quick: RetryPolicy) -> None:
    async def run() -> None:
        async with AsyncClient.connect(peer.target, timeout_seconds=5, retry=quick) as client:
            await client.create_campaign("digits")
            await client.upload_classifier(b"x" * (3 << 20))

    peer.refusals = [refusal(AWAY), refusal(BUSY, retry_seconds=0.01)]
    asyncio.run(run())
    first, second, third, upload = peer.requests
    assert first == second == third
    assert len(upload) == 4


def test_a_server_that_comes_up_late_is_found() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    late = Peer()
    servers: list[grpc.Server] = []
    timer = threading.Timer(0.4, lambda: servers.append(start_peer(late, address)))
    timer.start()
    policy = RetryPolicy(max_attempts=20, initial_backoff_seconds=0.1, multiplier=1)
    with Client.connect(address, timeout_seconds=10, retry=policy) as client:
        assert client.get_pool().size == 3
    timer.join()
    servers[0].stop(grace=None).wait()


def test_a_call_that_is_not_answered_in_time_ends_at_its_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        target = f"127.0.0.1:{deaf.getsockname()[1]}"
        with Client.connect(target, timeout_seconds=0.3) as client, pytest.raises(DeadlineExceededError):
            client.list_pools()


def test_waits_grow_and_stay_within_their_limit() -> None:
    attempts = _attempts(
        RetryPolicy(max_attempts=9, initial_backoff_seconds=1, max_backoff_seconds=5, jitter=0)
    )
    waits = []
    for _ in range(5):
        attempts.start()
        waits.append(attempts.delay_seconds(_away()))
    assert waits == [1, 2, 4, 5, 5]


def test_jitter_spreads_a_wait_around_its_middle() -> None:
    drawn = []

    def uniform(low: float, high: float) -> float:
        drawn.append((low, high))
        return high

    attempts = Attempts(RetryPolicy(initial_backoff_seconds=1, jitter=0.5), 100, uniform=uniform)
    attempts.start()
    assert attempts.delay_seconds(_away()) == 1.5
    assert drawn == [(0.5, 1.5)]


def test_a_policy_that_makes_no_sense_is_refused() -> None:
    for changes in ({"max_attempts": 0}, {"initial_backoff_seconds": -1}, {"multiplier": 0.5}, {"jitter": 1}):
        with pytest.raises(InvalidArgumentError):
            RetryPolicy(**changes)


def _away() -> UnavailableError:
    return UnavailableError("away", grpc_code=AWAY)


def _attempts(policy: RetryPolicy) -> Attempts:
    return Attempts(policy, 1000, clock=lambda: 0.0)
