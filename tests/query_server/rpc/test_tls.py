"""TLS on the server's port, one-sided and mutual; every bad file is refused by its name."""

from __future__ import annotations

import socket
import ssl

import pytest
from certificates import Authority
from processes import run_command

from client import Client, RetryPolicy, TlsConfig, UnavailableError

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("stranger"), "stranger")


def flags(pair, client_ca=None):
    given = ("--tls-certificate", pair.certificate, "--tls-key", pair.key)
    return (*given, "--tls-client-ca", client_ca.certificate) if client_ca else given


def test_a_client_that_trusts_the_authority_is_served_and_others_are_not(own_server, authority, stranger):
    server = own_server(*flags(authority.issue("dowser.test")))
    trusting = TlsConfig(ca_certificates=authority.certificate)
    with Client.connect(server.target, tls=trusting) as client:
        assert client.get_pool().size == 1297
    doubting = TlsConfig(ca_certificates=stranger.certificate)
    for tls in (doubting, None):
        with (
            Client.connect(server.target, tls=tls, retry=ONCE, timeout_seconds=60) as client,
            pytest.raises(UnavailableError),
        ):
            client.get_pool()


def test_with_a_client_authority_a_certificate_of_its_is_needed(own_server, authority, stranger):
    server = own_server(*flags(authority.issue("mutual.test"), client_ca=authority))

    def size(pair):
        tls = TlsConfig(
            ca_certificates=authority.certificate,
            client_certificate=pair.certificate if pair else None,
            client_key=pair.key if pair else None,
        )
        with Client.connect(server.target, tls=tls, retry=ONCE, timeout_seconds=60) as client:
            return client.get_pool().size

    assert size(authority.issue("annotator.test")) == 1297
    for pair in (None, stranger.issue("intruder.test")):
        with pytest.raises(UnavailableError):
            size(pair)


def served_certificate(target, authority):
    host, _, port = target.rpartition(":")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port)), 10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as secured,
    ):
        return dict(item for part in secured.getpeercert()["subject"] for item in part)["commonName"]


def test_a_renewed_certificate_is_served_without_a_restart_and_a_bad_one_is_not(own_server, authority):
    pair = authority.issue("first.test", file="renewed")
    server = own_server(*flags(pair))
    assert served_certificate(server.target, authority) == "first.test"
    authority.issue("second.test", file="renewed")
    assert served_certificate(server.target, authority) == "second.test"
    pair.certificate.write_text("not a certificate")
    assert served_certificate(server.target, authority) == "second.test"
    assert str(pair.certificate) in server.state.with_name(f"{server.state.name}.log").read_text()
    authority.issue("third.test", file="renewed")
    assert served_certificate(server.target, authority) == "third.test"


def refused(digits_bundle, digits_index, tmp_path, *options):
    done = run_command(
        "dowser-server",
        *("serve", "--bundle", digits_bundle, "--index", digits_index, "--state", tmp_path / "state"),
        *("--port", 0, *options),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_files_that_are_no_good_are_refused_by_name(digits_bundle, digits_index, authority, tmp_path):
    good, other = authority.issue("good.test"), authority.issue("other.test")
    expired = authority.issue("expired.test", days=(-3, -1))
    early = authority.issue("early.test", days=(1, 3))
    text = tmp_path / "text.pem"
    text.write_text("hello")
    for certificate, key, client_ca, culprit, why in (
        (tmp_path / "none.pem", good.key, None, tmp_path / "none.pem", "cannot be read"),
        (good.certificate, tmp_path / "none.key", None, tmp_path / "none.key", "cannot be read"),
        (good.certificate, other.key, None, other.key, "not the key of the certificate"),
        (good.certificate, text, None, text, "private key"),
        (text, good.key, None, text, "no certificate"),
        (expired.certificate, expired.key, None, expired.certificate, "expired"),
        (early.certificate, early.key, None, early.certificate, "valid from"),
        (good.certificate, good.key, text, text, "no certificate"),
    ):
        options = ["--tls-certificate", certificate, "--tls-key", key]
        options += ["--tls-client-ca", client_ca] if client_ca else []
        line = refused(digits_bundle, digits_index, tmp_path, *options)
        assert f"{culprit}: " in line
        assert why in line


def test_half_of_tls_is_refused(digits_bundle, digits_index, authority, tmp_path):
    pair = authority.issue("half.test")
    for options in (("--tls-certificate", pair.certificate), ("--tls-client-ca", authority.certificate)):
        assert "given together" in refused(digits_bundle, digits_index, tmp_path, *options)


def test_beyond_loopback_it_listens_only_where_callers_are_known_and_encrypted(
    digits_bundle, digits_index, authority, tmp_path, own_server
):
    tokens = tmp_path / "tokens.toml"
    run_command("dowser-server", "token", "new", "--name", "a", "--role", "select", "--file", tokens)
    pair = authority.issue("exposed.test")
    for options in ((), ("--tokens", tokens), flags(pair)):
        line = refused(digits_bundle, digits_index, tmp_path, "--host", "0.0.0.0", *options)
        for flag in ("--tls-certificate", "--tls-key", "--tokens", "--tls-client-ca", "--insecure"):
            assert flag in line
    own_server("--host", "0.0.0.0", "--tokens", tokens, *flags(pair), state=tmp_path / "known")
    insisted = own_server("--host", "0.0.0.0", "--insecure", state=tmp_path / "insisted")
    log = insisted.state.with_name(f"{insisted.state.name}.log").read_text()
    assert "WARNING" in log
    assert "--insecure" in log
