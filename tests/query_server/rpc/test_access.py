"""Tokens and roles: who may call what, and that no secret is ever written down."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import uuid

import grpc
import pytest
from certificates import Authority
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from processes import run_command, stop_server, succeed

import dowser.v1
from client import Client, PermissionDeniedError, UnauthenticatedError
from query_server.errors import DowserError
from query_server.rpc.access import ROLES, is_listed, is_open
from query_server.rpc.tokens import Role, TokenFile, append_line, new_token


def methods():
    for module in pkgutil.iter_modules(dowser.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"dowser.v1.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                for method in service.methods:
                    yield f"/{service.full_name}/{method.name}"


def test_every_method_of_the_api_has_a_role_that_was_decided():
    found = set(methods())
    assert "/dowser.v1.SelectionService/SelectSamples" in found
    assert {method for method in found if not is_listed(method)} == set()
    assert not any(is_open(method) for method in found)
    assert set(ROLES) <= found


def token(path, name, *roles):
    made, line = new_token(name, roles)
    append_line(path, line)
    return made


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens.toml"
    return path, {role: token(path, role.value, role) for role in Role}


@pytest.fixture
def guarded(own_server, tokens):
    path, made = tokens
    return own_server("--tokens", path), path, made


def test_each_role_may_do_its_own_and_administrators_everything(guarded, classifier_bytes):
    server, _, made = guarded

    def upload(client):
        client.upload_classifier(classifier_bytes)

    def select(client):
        client.list_campaigns()

    def administer(client):
        client.delete_campaign(client.create_campaign(uuid.uuid4().hex))

    allowed = {Role.SELECT: {select}, Role.UPLOAD: {upload}, Role.ADMINISTER: {select, upload, administer}}
    for role, calls in allowed.items():
        with Client.connect(server.target, token=made[role]) as client:
            for call in (select, upload, administer):
                if call in calls:
                    call(client)
                else:
                    with pytest.raises(PermissionDeniedError) as denied:
                        call(client)
                    assert denied.value.reason == "PERMISSION_DENIED"
                    assert denied.value.metadata["caller"] == role.value


def test_without_a_known_token_nothing_but_health_answers(guarded):
    server, _, made = guarded
    for wrong in (None, "dowser_wrong", made[Role.SELECT][:-1], made[Role.SELECT] + "x"):
        with Client.connect(server.target, token=wrong) as client:
            with pytest.raises(UnauthenticatedError) as refused:
                client.list_pools()
            assert refused.value.reason == "UNAUTHENTICATED"
            assert wrong is None or wrong not in str(refused.value) + str(refused.value.metadata)
    with grpc.insecure_channel(server.target) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.RpcError) as refused:
            next(stub.ServerReflectionInfo(iter([asked])))
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        metadata = (("authorization", f"Bearer {made[Role.UPLOAD]}"),)
        assert next(
            stub.ServerReflectionInfo(iter([asked]), metadata=metadata)
        ).list_services_response.service


@pytest.mark.parametrize(
    "metadata",
    [
        [("authorization", "{token}")],
        [("authorization", "Basic {token}")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", "Bearer {token}"), ("authorization", "Bearer {token}")],
        [("authorization-bin", b"Bearer x")],
        [("authorization", "Bearer " + "x" * 8000)],
    ],
)
def test_credentials_of_another_form_are_refused_without_being_quoted(guarded, metadata):
    server, _, made = guarded
    secret = made[Role.ADMINISTER]
    given = [(k, v.format(token=secret) if isinstance(v, str) else v) for k, v in metadata]
    with grpc.insecure_channel(server.target) as channel:
        call = channel.unary_unary("/dowser.v1.PoolService/ListPools")
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", metadata=given)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    status = status_pb2.Status.FromString(dict(refused.value.trailing_metadata())["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "UNAUTHENTICATED"
    assert secret not in str(status) + refused.value.details()


def test_methods_nobody_knows_are_for_administrators(guarded):
    server, _, made = guarded
    codes = {}
    with grpc.insecure_channel(server.target) as channel:
        for role in Role:
            call = channel.unary_unary("/dowser.v1.PoolService/Unheard")
            with pytest.raises(grpc.RpcError) as refused:
                call(b"", metadata=(("authorization", f"Bearer {made[role]}"),))
            codes[role] = refused.value.code()
    assert codes.pop(Role.ADMINISTER) is grpc.StatusCode.UNIMPLEMENTED
    assert set(codes.values()) == {grpc.StatusCode.PERMISSION_DENIED}


def test_tokens_come_and_go_with_their_file(guarded):
    server, path, made = guarded
    added = token(path, "late", Role.SELECT)
    with Client.connect(server.target, token=added) as client:
        client.list_pools()
    path.write_text("this is = not [ TOML")
    with Client.connect(server.target, token=added) as client:
        client.list_pools()
    path.write_text("")
    for gone in (added, made[Role.ADMINISTER]):
        with Client.connect(server.target, token=gone) as client, pytest.raises(UnauthenticatedError):
            client.list_pools()


def test_no_secret_is_ever_written_down(own_server, tokens, tmp_path):
    path, made = tokens
    authority = Authority(tmp_path / "authority", "authority")
    pair = authority.issue("dowser.test")
    server = own_server(
        *("--tokens", path, "--tls-certificate", pair.certificate, "--tls-key", pair.key),
        *("--log-level", "DEBUG"),
    )
    channel_credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    with grpc.secure_channel(server.target, channel_credentials) as channel:
        for secret in (*made.values(), "dowser_a-wrong-token"):
            for method in ("PoolService/GetPool", "PoolService/Unheard", "CampaignService/CreateCampaign"):
                call = channel.unary_unary(f"/dowser.v1.{method}")
                try:
                    call(b"\xff", metadata=(("authorization", f"Bearer {secret}"),))
                except grpc.RpcError as error:
                    assert secret not in error.details()
    stop_server(server)
    written = server.state.with_name(f"{server.state.name}.log").read_text() + server.process.stdout.read()
    assert "settings" in written
    assert "UNAUTHENTICATED" in written
    key_lines = pair.key.read_text().splitlines()[1:-1]
    hashes = [hashlib.sha256(each.encode()).hexdigest() for each in made.values()]
    for secret in (*made.values(), *hashes, *key_lines, "dowser_a-wrong-token"):
        assert secret not in written


def test_token_new_prints_the_token_once_and_a_line_that_holds_only_its_hash(tmp_path):
    done = run_command(
        "dowser-server", "token", "new", "--name", "ci", "--role", "select", "--role", "upload"
    )
    assert done.returncode == 0, done.stderr
    made = done.stdout.splitlines()[0].split(": ")[1]
    line = done.stdout.splitlines()[1].split(": ", 1)[1]
    assert made not in line
    path = tmp_path / "tokens.toml"
    path.touch(0o600)
    append_line(path, line)
    found = TokenFile(path).find(made)
    assert (found.name, found.roles) == ("ci", {Role.SELECT, Role.UPLOAD})
    with pytest.raises(DowserError, match="does not have yet"):
        append_line(path, line)


def test_a_line_is_added_to_a_file_whose_last_line_has_no_end_and_to_none_that_would_swallow_it(tmp_path):
    (first, first_line), (second, second_line) = (new_token(name, [Role.SELECT]) for name in ("one", "two"))
    path = tmp_path / "tokens.toml"
    path.touch(0o600)
    path.write_text(first_line)
    append_line(path, second_line)
    tokens = TokenFile(path)
    assert [tokens.find(made).name for made in (first, second)] == ["one", "two"]
    table = '[one]\nroles = ["select"]\nsha256 = "%s"\n' % ("0" * 64)
    path.write_text(table)
    with pytest.raises(DowserError, match="table"):
        append_line(path, second_line)
    assert path.read_text() == table


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('a = { roles = ["select"], sha256 = "short" }', "64 lower-case"),
        ('a = { roles = ["rule"], sha256 = "%s" }' % ("0" * 64), "select, upload, administer"),
        ('a = { roles = [], sha256 = "%s" }' % ("0" * 64), "select, upload, administer"),
        ('a = { roles = [["select"]], sha256 = "%s" }' % ("0" * 64), "select, upload, administer"),
        ('a = { roles = ["select"], token = "secret" }', "nothing else"),
        ('"a b" = { roles = ["select"], sha256 = "%s" }' % ("0" * 64), "name"),
        ("a = 3", "nothing else"),
        ("secret", "not TOML"),
    ],
)
def test_a_tokens_file_that_is_no_good_is_refused_without_quoting_it(tmp_path, content, why):
    path = tmp_path / "tokens.toml"
    path.write_text(content)
    with pytest.raises(DowserError, match=why) as refused:
        TokenFile(path)
    assert str(path) in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_tokens_file_that_anyone_may_write_is_refused(tmp_path):
    path = tmp_path / "tokens.toml"
    path.touch()
    path.chmod(0o666)
    with pytest.raises(DowserError, match="chmod"):
        TokenFile(path)


def test_the_command_takes_its_token_and_certificates_from_files_and_environment(
    own_server, tokens, tmp_path, monkeypatch
):
    path, made = tokens
    authority = Authority(tmp_path / "authority", "authority")
    pair, own = authority.issue("dowser.test"), authority.issue("annotator.test")
    server = own_server(
        *("--tokens", path, "--tls-certificate", pair.certificate, "--tls-key", pair.key),
        *("--tls-client-ca", authority.certificate),
    )
    secret = tmp_path / "token"
    secret.write_text(f"{made[Role.SELECT]}\n")
    tls = ("--tls-ca", authority.certificate, "--tls-certificate", own.certificate, "--tls-key", own.key)
    common = ("pools", "--target", server.target, "--timeout", 60)
    succeed("dowser", *common, *tls, "--token-file", secret)
    refused = run_command("dowser", *common, *tls)
    assert refused.returncode == 1
    assert "UNAUTHENTICATED" in refused.stderr
    monkeypatch.setenv("DOWSER_TOKEN", made[Role.SELECT])
    monkeypatch.setenv("DOWSER_TLS_CA", str(authority.certificate))
    monkeypatch.setenv("DOWSER_TLS_CERTIFICATE", str(own.certificate))
    monkeypatch.setenv("DOWSER_TLS_KEY", str(own.key))
    assert run_command("dowser", *common).returncode == 0
