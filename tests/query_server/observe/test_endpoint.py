"""The HTTP port: liveness apart from readiness, and clients that do not behave."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
from metrics_port import fetch

from query_server.errors import DowserError
from query_server.observe.endpoint import MAX_CONNECTIONS, Endpoint
from query_server.observe.metrics import Metrics
from query_server.observe.vitals import Vitals


@pytest.fixture
def vitals():
    return Vitals()


@pytest.fixture
def endpoint(vitals):
    opened = Endpoint("127.0.0.1", 0, metrics=Metrics(), vitals=vitals)
    yield opened
    opened.close()


def test_alive_before_ready_and_ready_until_the_drain(endpoint, vitals):
    assert fetch(endpoint.port, "/livez") == (200, "alive\n")
    assert fetch(endpoint.port, "/readyz") == (503, "starting: the index is not open yet\n")
    vitals.ready()
    assert fetch(endpoint.port, "/readyz") == (200, "ready\n")
    vitals.not_ready("draining")
    assert fetch(endpoint.port, "/readyz") == (503, "draining\n")
    assert fetch(endpoint.port, "/livez") == (200, "alive\n")


def test_not_alive_while_the_event_loop_is_stuck(vitals):
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    vitals.watch(loop)
    assert vitals.alive(30)
    release = threading.Event()
    loop.call_soon_threadsafe(release.wait)
    assert not vitals.alive(0.1)
    release.set()
    assert vitals.alive(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def test_not_alive_once_the_event_loop_is_closed(endpoint, vitals):
    loop = asyncio.new_event_loop()
    loop.close()
    vitals.watch(loop)
    assert fetch(endpoint.port, "/livez")[0] == 503


def test_connections_that_say_nothing_give_way_to_those_that_ask(endpoint):
    silent = [socket.create_connection(("127.0.0.1", endpoint.port)) for _ in range(MAX_CONNECTIONS)]
    for _ in range(3):
        assert fetch(endpoint.port, "/livez")[0] == 200
    silent[0].settimeout(30)
    assert silent[0].recv(1) == b""
    for connection in silent:
        connection.close()


def test_other_paths_and_methods_are_refused(endpoint):
    assert fetch(endpoint.port, "/metrics/../etc/passwd")[0] == 404
    with socket.create_connection(("127.0.0.1", endpoint.port)) as connection:
        connection.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.0 501")


def test_a_taken_port_is_refused_with_what_to_do(endpoint, vitals):
    with pytest.raises(DowserError, match="--metrics-port"):
        Endpoint("127.0.0.1", endpoint.port, metrics=Metrics(), vitals=vitals)
