from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from client import Client, RetryPolicy, TlsConfig, UnavailableError
from tests.client.peer import Peer, start_peer

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")


@dataclass(frozen=True)
class KeyPair:
    certificate: Path
    key: Path


def key_pair(folder: Path, name: str) -> KeyPair:
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.key")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"),
            *("-keyout", str(pair.key), "-out", str(pair.certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return pair


@pytest.fixture(scope="module")
def server_pair(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return key_pair(tmp_path_factory.mktemp("tls"), "dowser.test")


@pytest.fixture(scope="module")
def client_pair(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    return key_pair(tmp_path_factory.mktemp("tls"), "annotator.test")


@pytest.fixture(scope="module")
def secure_peer(server_pair: KeyPair, client_pair: KeyPair) -> Iterator[Peer]:
    """A peer that proves its name and wants the client to prove its own."""
    peer = Peer()
    credentials = grpc.ssl_server_credentials(
        [(server_pair.key.read_bytes(), server_pair.certificate.read_bytes())],
        root_certificates=client_pair.certificate.read_bytes(),
        require_client_auth=True,
    )
    server = start_peer(peer, credentials=credentials)
    yield peer
    server.stop(grace=None).wait()


def test_both_sides_prove_who_they_are(secure_peer: Peer, server_pair: KeyPair, client_pair: KeyPair) -> None:
    tls = TlsConfig(
        ca_certificates=server_pair.certificate,
        client_certificate=client_pair.certificate,
        client_key=client_pair.key,
        server_name="dowser.test",
    )
    with Client.connect(secure_peer.target, tls=tls, token="secret", timeout_seconds=10) as client:
        assert client.get_pool().size == 3
    assert secure_peer.metadata[-1]["authorization"] == "Bearer secret"


def test_a_server_under_another_name_is_not_trusted(
    secure_peer: Peer, server_pair: KeyPair, client_pair: KeyPair
) -> None:
    tls = TlsConfig(
        ca_certificates=server_pair.certificate,
        client_certificate=client_pair.certificate,
        client_key=client_pair.key,
        server_name="other.test",
    )
    once = RetryPolicy(max_attempts=1)
    with (
        Client.connect(secure_peer.target, tls=tls, timeout_seconds=10, retry=once) as client,
        pytest.raises(UnavailableError),
    ):
        client.get_pool()
