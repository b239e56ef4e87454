from __future__ import annotations

import asyncio
import inspect
import re
import subprocess
import sys

import pytest

from client import AsyncClient, Client, DeadlineExceededError, InvalidArgumentError, TlsConfig
from dowser.v1 import (
    admin_pb2,
    augmentation_pb2,
    campaigns_pb2,
    classifiers_pb2,
    pools_pb2,
    scoring_pb2,
    selection_pb2,
)
from tests.client.peer import Peer

SERVICES = [
    service
    for module in (
        pools_pb2,
        campaigns_pb2,
        classifiers_pb2,
        selection_pb2,
        augmentation_pb2,
        scoring_pb2,
        admin_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]
METHODS = [
    re.sub(r"(?<!^)(?=[A-Z])", "_", method.name).lower() for service in SERVICES for method in service.methods
]


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("method", METHODS)
def test_every_rpc_is_a_method_of_both_clients(kind: type, method: str) -> None:
    assert callable(getattr(kind, method))


def test_both_clients_take_the_same_arguments() -> None:
    for name in [name for name in dir(Client) if not name.startswith("_")]:
        blocking, coroutine = (
            inspect.signature(getattr(kind, name)).parameters.values() for kind in (Client, AsyncClient)
        )
        assert [(p.name, p.kind, p.default) for p in blocking] == [
            (p.name, p.kind, p.default) for p in coroutine
        ], name


def test_neither_client_has_a_public_method_that_the_other_lacks() -> None:
    public = [{name for name in dir(kind) if not name.startswith("_")} for kind in (Client, AsyncClient)]
    assert public[0] == public[1]


def test_labels_are_read_page_by_page(client: Client, peer: Peer) -> None:
    labels = list(client.list_labels("c1", page_size=2))
    assert [(each.pool_id, each.label) for each in labels] == [(0, 0), (1, 1), (2, 0), (3, 1), (4, 0)]
    assert [request.page_token for request in peer.requests] == ["", "2", "4"]


def test_labels_not_asked_for_are_not_fetched(client: Client, peer: Peer) -> None:
    next(client.list_labels("c1", page_size=2))
    assert len(peer.requests) == 1


def test_the_asyncio_client_reads_pages_too(peer: Peer) -> None:
    async def run() -> list[int]:
        async with AsyncClient.connect(peer.target) as client:
            return [each.pool_id async for each in client.list_labels("c1", page_size=2)]

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_asyncio_calls_run_side_by_side(peer: Peer) -> None:
    async def run() -> list[str]:
        async with AsyncClient.connect(peer.target) as client:
            pools = await asyncio.gather(*(client.get_pool(f"p{i}") for i in range(20)))
            return [pool.name for pool in pools]

    assert asyncio.run(run()) == [f"p{i}" for i in range(20)]


def test_a_token_goes_with_every_call(peer: Peer) -> None:
    with Client.connect(peer.target, token="secret") as client:
        client.get_pool()
        client.upload_classifier(b"model")
    assert [each["authorization"] for each in peer.metadata] == ["Bearer secret"] * 2


@pytest.mark.parametrize(
    "target",
    [
        *("localhost.example.com:1", "127.example.com:1", "dns:///localhost.example.com", "10.0.0.1:50051"),
        *("[::1].example:1", "[::2]:1", "ipv4:10.0.0.1:1", "ipv4:127.0.0.1:1,10.0.0.1:1", "xds:///localhost"),
    ],
)
def test_what_only_looks_local_is_another_machine(target: str) -> None:
    with pytest.raises(InvalidArgumentError, match="in the clear"):
        Client.connect(target, token="secret")
    Client.connect(target, token="secret", allow_insecure_token=True).close()


@pytest.mark.parametrize(
    "target",
    [
        *(
            "localhost:1",
            "127.0.0.1:1",
            "127.0.0.2",
            "[::1]:1",
            "unix:/run/dowser.sock",
            "dns:///localhost:1",
        ),
        *("ipv4:127.0.0.1:1", "ipv6:[::1]:1"),
    ],
)
def test_a_token_goes_to_this_machine_without_tls(target: str) -> None:
    Client.connect(target, token="secret").close()


@pytest.mark.parametrize("token", ["", " ", "a\nb", "s\u00e9cret"])
def test_a_token_that_cannot_travel_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        Client.connect("127.0.0.1:1", token=token)
    assert token.strip() == "" or token not in str(refused.value)


def test_a_token_is_not_sent_in_the_clear_to_another_machine() -> None:
    with pytest.raises(InvalidArgumentError, match="in the clear"):
        Client.connect("dowser.example:443", token="secret")
    Client.connect("dowser.example:443", token="secret", tls=TlsConfig()).close()


def test_a_certificate_that_cannot_be_read_is_named(tmp_path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"ca\.pem"):
        Client.connect("dowser.example:443", tls=TlsConfig(ca_certificates=tmp_path / "ca.pem"))


def test_what_is_no_classifier_is_refused_by_its_kind(client: Client) -> None:
    with pytest.raises(InvalidArgumentError, match=r"pathlib\.Path of a file.* got str"):
        client.upload_classifier("classifier.onnx")


def test_settings_that_make_no_sense_are_refused() -> None:
    timeouts = [{"timeout_seconds": seconds} for seconds in (0, -1, float("nan"), float("inf"), 1e10)]
    for changes in (*timeouts, {"max_message_bytes": 0}):
        with pytest.raises(InvalidArgumentError):
            Client.connect("127.0.0.1:1", **changes)
    with pytest.raises(InvalidArgumentError):
        Client.connect("")


def test_another_deadline_shares_the_connection(client: Client, peer: Peer) -> None:
    peer.delay_seconds = 0.2
    with pytest.raises(DeadlineExceededError):
        client.with_timeout(0.05).get_pool()
    assert client.get_pool().size == 3


def test_importing_the_client_needs_no_more_than_the_base_installation() -> None:
    code = (
        "import sys, client, client.cli;"
        "print(*{name.partition('.')[0] for name, module in sys.modules.items()"
        " if 'site-packages' in (getattr(module, '__file__', None) or '')},"
        " *{'graphs', 'query_server', 'trainer'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # typing_extensions is a dependency of grpcio; grpc imports its own add-ons (grpc_*) where they are installed.
    loaded = {name for name in done.stdout.split() if not name.startswith(("_", "grpc_"))}
    assert loaded <= {"grpc", "google", "numpy", "typing_extensions"}
