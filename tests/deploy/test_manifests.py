"""What no schema knows: that the manifests say what this server understands, and say the same in every place."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from query_server.cli import _parser
from query_server.settings import ServeSettings
from tests.deploy.conftest import DEPLOY
from tests.deploy.image import parse

BASE = DEPLOY / "kubernetes/base"


def manifest(file: Path, kind: str) -> dict:
    (found,) = (document for document in yaml.safe_load_all(file.read_text()) if document["kind"] == kind)
    return found


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


@pytest.fixture(scope="module")
def pod() -> dict:
    return manifest(BASE / "statefulset.yaml", "StatefulSet")["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod: dict) -> dict:
    (only,) = pod["containers"]
    return only


def named_settings() -> Iterator[tuple[str, str]]:
    """Yield (file, setting) for every setting that a file of deploy/ names."""
    for file in DEPLOY.rglob("*"):
        if file.suffix == ".toml":
            yield from ((file.name, name) for name in tomllib.loads(file.read_text()))
        elif file.name.startswith("Containerfile") or file.suffix in (".yaml", ".service"):
            yield from (
                (file.name, name.lower())
                for name in re.findall(r"\bDOWSER_([A-Z_]+)\b[=:]", file.read_text())
            )


def test_every_setting_that_deploy_names_is_one_the_server_has():
    named = set(named_settings())
    assert {("compose.yaml", "tls_certificate"), ("Containerfile", "bundle")} <= named
    assert {pair for pair in named if pair[1] not in ServeSettings.model_fields} == set()


def test_the_probes_and_entry_points_are_commands_the_server_has(compose: dict, container: dict):
    probes = [container[f"{name}Probe"]["exec"]["command"] for name in ("startup", "readiness", "liveness")]
    probes.append(compose["services"]["dowser"]["healthcheck"]["test"][1:])
    for program, *arguments in probes:
        assert program == "dowser-server"
        assert _parser().parse_args(arguments).command == "probe"
    for arguments in (container["args"], compose["services"]["dowser"]["command"]):
        assert _parser().parse_args(arguments).command == "serve"
    assert [probe[2] for probe in probes[1:3]] == ["--service=readiness", "--service=liveness"]


def test_a_drain_has_time_to_end_before_anybody_kills_it(compose: dict, pod: dict, container: dict):
    configured = tomllib.loads((BASE / "dowser-server.toml").read_text())
    waited = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > waited + configured["grace_seconds"] + 5
    server = compose["services"]["dowser"]
    assert (
        int(server["stop_grace_period"].rstrip("s"))
        > float(server["environment"]["DOWSER_GRACE_SECONDS"]) + 5
    )
    unit = (DEPLOY / "systemd/dowser-server.service").read_text()
    stop = int(re.search(r"TimeoutStopSec=(\d+)", unit)[1])
    assert stop > ServeSettings.model_fields["grace_seconds"].default + 5
    assert "KillMode=mixed" in unit


def test_whatever_listens_beyond_loopback_has_tls_and_tokens(compose: dict):
    configured = tomllib.loads((BASE / "dowser-server.toml").read_text())
    environment = compose["services"]["dowser"]["environment"]
    composed = {name.removeprefix("DOWSER_").lower(): value for name, value in environment.items()}
    for settings in (configured, composed):
        assert settings["host"] == "0.0.0.0"
        assert {"tls_certificate", "tls_key", "tokens"} <= settings.keys()
        assert "insecure" not in settings
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_every_container_is_confined(compose: dict, pod: dict, container: dict):
    for service in compose["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"cpus", "mem_limit", "pids_limit", "healthcheck", "restart"} <= service.keys()
    loader = manifest(DEPLOY / "kubernetes/loader.example.yaml", "Pod")["spec"]
    for spec, inner in ((pod, container), (loader, loader["containers"][0])):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert inner["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= inner["resources"]["limits"].keys()


def test_what_a_read_only_root_leaves_writable_is_state_and_tmp(compose: dict, container: dict):
    said = dict(parse(DEPLOY / "Containerfile"))
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/var/lib/dowser/state", "/tmp"}
    server = compose["services"]["dowser"]
    mounted = {mount.split(":")[1] for mount in server["volumes"] if not mount.endswith(":ro")}
    assert mounted | {mount.split(":")[0] for mount in server["tmpfs"]} == writable
    assert "/var/lib/dowser/state" in said["VOLUME"]


def test_a_service_named_as_the_server_does_not_set_its_port(pod: dict):
    """Kubernetes would put DOWSER_PORT=tcp://… of the Service dowser into the environment."""
    assert pod["enableServiceLinks"] is False


def test_ports_claims_and_secrets_match(compose: dict, pod: dict, container: dict):
    configured = tomllib.loads((BASE / "dowser-server.toml").read_text())
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": configured["port"], "metrics": configured["metrics_port"]}
    assert dict(parse(DEPLOY / "Containerfile"))["EXPOSE"].split() == [str(port) for port in ports.values()]
    services = {item["metadata"]["name"]: item for item in _documents(BASE / "service.yaml")}
    assert {port["targetPort"] for item in services.values() for port in item["spec"]["ports"]} == set(ports)
    labels = manifest(BASE / "statefulset.yaml", "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert all(item["spec"]["selector"] == labels for item in services.values())
    claims = {item["metadata"]["name"] for item in _documents(BASE / "persistentvolumeclaim.yaml")}
    secrets = {item["metadata"]["name"] for item in _documents(DEPLOY / "kubernetes/secrets.example.yaml")}
    volumes = pod["volumes"]
    assert {
        v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v
    } == claims
    assert {v["secret"]["secretName"] for v in volumes if "secret" in v} == secrets
    (scrape,) = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": [f"dowser:{ports['metrics']}"]}]
    assert compose["services"]["dowser"]["environment"]["DOWSER_METRICS_PORT"] == str(ports["metrics"])


def test_grafana_finds_the_data_source_and_the_dashboards_that_are_mounted(compose: dict):
    mounts = dict(mount.split(":")[:2] for mount in compose["services"]["grafana"]["volumes"])
    provisioned = DEPLOY / "grafana/provisioning"
    (provider,) = yaml.safe_load((provisioned / "dashboards/dowser.yaml").read_text())["providers"]
    assert provider["options"]["path"] == mounts["./grafana/dashboards"]
    (source,) = yaml.safe_load((provisioned / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"


def _documents(file: Path) -> list[dict]:
    return list(yaml.safe_load_all(file.read_text()))
