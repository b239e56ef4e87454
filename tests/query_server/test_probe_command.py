"""``dowser-server probe`` as containers and orchestrators run it."""

import shutil
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from processes import run_command


@pytest.fixture
def health_servicer():
    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    servicer.set("readiness", health_pb2.HealthCheckResponse.NOT_SERVING)
    return servicer


@pytest.fixture
def secure_address(health_servicer, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make certificates")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=dowser", "-addext", "subjectAltName=DNS:dowser"),
            *("-keyout", tmp_path / "tls.key", "-out", tmp_path / "tls.crt"),
        ],
        check=True,
        capture_output=True,
    )
    pair = ((tmp_path / "tls.key").read_bytes(), (tmp_path / "tls.crt").read_bytes())
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(grace=None).wait()


def probe(address, *options):
    return run_command("dowser-server", "probe", "--address", address, *options)


def test_a_server_that_serves_is_healthy(server):
    done = probe(server.target)
    assert (done.returncode, done.stdout) == (0, "SERVING\n")


def test_a_name_the_server_does_not_know_is_unhealthy(server):
    done = probe(server.target, "--service", "nothing")
    assert done.returncode == 1
    assert "health of nothing" in done.stderr
    assert "NOT_FOUND" in done.stderr


def test_where_nobody_listens_it_says_so_without_a_traceback():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    done = probe(address, "--timeout", 3)
    assert done.returncode == 1
    assert address in done.stderr
    assert "Traceback" not in done.stderr


def test_over_tls_the_certificates_name_and_authority_are_checked(secure_address, tmp_path):
    trusted = ("--tls-ca", tmp_path / "tls.crt")
    assert probe(secure_address, *trusted, "--tls-name", "dowser").returncode == 0
    assert probe(secure_address, *trusted, "--tls-name", "other", "--timeout", 3).returncode == 1
    assert probe(secure_address, "--timeout", 3).returncode == 1


def test_a_server_that_is_not_ready_is_unhealthy(secure_address, tmp_path):
    options = ("--tls-ca", tmp_path / "tls.crt", "--tls-name", "dowser", "--service", "readiness")
    done = probe(secure_address, *options)
    assert done.returncode == 1
    assert "NOT_SERVING" in done.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--tls-name", "dowser"), "--tls-ca"),
        (("--tls-ca", "nowhere.pem"), "nowhere.pem"),
        (("--tls-ca", "README.md", "--tls-key", "README.md"), "--tls-certificate"),
    ],
)
def test_flags_that_do_not_go_together_are_named(options, word):
    done = probe("127.0.0.1:1", *options)
    assert done.returncode == 1
    assert word in done.stderr
    assert "Traceback" not in done.stderr
