from __future__ import annotations

from collections.abc import Iterator

import pytest

from client import Client, RetryPolicy
from tests.client.peer import Peer, start_peer


@pytest.fixture(scope="session")
def running_peer() -> Iterator[Peer]:
    peer = Peer()
    server = start_peer(peer)
    yield peer
    server.stop(grace=None).wait()


@pytest.fixture
def peer(running_peer: Peer) -> Peer:
    running_peer.reset()
    return running_peer


@pytest.fixture
def quick() -> RetryPolicy:
    return RetryPolicy(max_attempts=4, initial_backoff_seconds=0.01, max_backoff_seconds=0.02)


@pytest.fixture
def client(peer: Peer, quick: RetryPolicy) -> Iterator[Client]:
    with Client.connect(peer.target, timeout_seconds=5, retry=quick) as connected:
        yield connected
