"""Any message, any bytes: a call ends with a status that explains itself, and the server goes on."""

from __future__ import annotations

import time
from random import Random

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz.messages import wild_call
from benchmarks.fuzz.methods import Method, all_methods
from benchmarks.fuzz.sockets import PREFACE, send, wild_bytes
from benchmarks.fuzz.verdict import fault

METHODS = all_methods()
EXAMPLES = 25
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def channel(attacked):
    with grpc.insecure_channel(attacked.target) as opened:
        yield opened


def end_of(
    channel: grpc.Channel, method: Method, parts: list[bytes], timeout: float = 60
) -> tuple[grpc.StatusCode, str, dict]:
    """Make a call with raw messages and return how it ended."""
    make = channel.stream_stream if method.streams_replies else channel.stream_unary
    try:
        made = make(method.path)(iter(parts), timeout=timeout)
        if method.streams_replies:
            list(made)
    except grpc.RpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata() or ())
    return grpc.StatusCode.OK, "", {}


def is_alive(channel: grpc.Channel) -> bool:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    return answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path.rpartition("/")[2])
def test_every_call_ends_with_a_status_that_explains_itself(attacked, channel, hints, method):
    paths = [str(attacked.state), str(attacked.bundle), str(attacked.index)]

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=CHECKS, derandomize=True, database=None
    )
    @given(random=st.randoms(use_true_random=False))
    def attack(random: Random) -> None:
        ended = end_of(channel, method, wild_call(method, random, hints), timeout=2)
        assert fault(*ended, paths=paths) is None

    attack()
    assert is_alive(channel)


@settings(max_examples=40, deadline=None, suppress_health_check=CHECKS, derandomize=True, database=None)
@given(random=st.randoms(use_true_random=False))
def test_bytes_that_are_no_http2_end_their_own_connection_only(attacked, channel, random):
    send(attacked.target, wild_bytes(random))
    assert is_alive(channel)


def test_connections_that_say_nothing_do_not_keep_others_out(attacked, channel):
    import socket

    host, _, port = attacked.target.rpartition(":")
    silent = [socket.create_connection((host, int(port)), 5) for _ in range(100)]
    for connection in silent[::2]:
        connection.sendall(PREFACE[:10])
    assert is_alive(channel)
    for connection in silent:
        connection.close()


def test_names_of_any_length_come_back_short(channel):
    method = next(method for method in METHODS if method.path.endswith("/GetCampaign"))
    for name in ("x" * 3_000_000, "\u202e" * 300_000, "\x01" * 100_000):
        request = method.request._concrete_class(campaign_id=name)
        code, text, trailing = end_of(channel, method, [request.SerializeToString()])
        assert code is grpc.StatusCode.NOT_FOUND
        assert fault(code, text, trailing) is None
        assert len(text.encode()) <= 800


def test_large_messages_leave_no_memory_behind(attacked, channel):
    method = next(method for method in METHODS if method.path.endswith("/GetSamples"))
    process = psutil.Process(attacked.process.pid)
    ids = method.request._concrete_class(pool_ids=range(4_000_000)).SerializeToString()
    for _ in range(3):
        end_of(channel, method, [ids])
    before = process.memory_info().rss
    for _ in range(12):
        code, text, trailing = end_of(channel, method, [ids])
        assert code is grpc.StatusCode.INVALID_ARGUMENT, text
        assert fault(code, text, trailing) is None
    time.sleep(0.5)
    assert process.memory_info().rss < before + 5 * len(ids)
