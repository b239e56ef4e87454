"""What is said where there is no cluster."""

from __future__ import annotations

import socket

import pytest

from query_server.errors import DowserError, Reason
from query_server.ray_tasks import connected


@pytest.fixture
def dead_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("by_environment", [False, True])
@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_listens_is_refused_with_what_to_do(
    dead_address: str, monkeypatch: pytest.MonkeyPatch, scheme: str, by_environment: bool
) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    address = scheme + dead_address
    if by_environment:
        monkeypatch.setenv("RAY_ADDRESS", address)
    with (
        pytest.raises(DowserError, match=f"{address}: .*refused; start one with ray start --head") as refused,
        connected(None if by_environment else address),
    ):
        raise AssertionError("there is no cluster")
    assert refused.value.reason is Reason.UNAVAILABLE


def test_a_port_that_cannot_be_is_refused_likewise() -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    with (
        pytest.raises(DowserError, match="no Ray cluster answers at localhost:99999"),
        connected("localhost:99999"),
    ):
        raise AssertionError("there is no cluster")
