"""What `make lint` runs over deploy/ refuses what it should: one spoiled file each, in a copy."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from tests.deploy.conftest import DEPLOY

_SPEC = importlib.util.spec_from_file_location("deploy_validate", DEPLOY / "validate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
validate = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(validate)


@pytest.mark.parametrize(
    ("check", "file", "was", "becomes"),
    [
        ("containerfiles", "Containerfile", 'ENTRYPOINT ["dowser-server"]', "ENTRYPOINT dowser-server"),
        ("compose", "compose.yaml", "read_only: true", "readonly: true"),
        ("kubernetes", "kubernetes/base/statefulset.yaml", "replicas: 1", "replicas: one"),
        ("kubernetes", "kubernetes/base/service.yaml", "targetPort: grpc", "targetPorts: grpc"),
        ("kustomize", "kubernetes/overlays/gpu/statefulset.yaml", "tolerations:", "toleration:"),
        ("prometheus", "prometheus/prometheus.yml", "scrape_interval: 15s", "scrape_interval: often"),
        ("systemd", "systemd/dowser-server.service", "DynamicUser=yes", "DynamicUsers=yes"),
        (
            "systemd",
            "systemd/dowser-server.service",
            "SystemCallFilter=~@privileged",
            "CapabilityBoundingSet=~",
        ),
    ],
)
def test_a_spoiled_file_is_refused(check, file, was, becomes, tmp_path):
    deploy = _copy(tmp_path)
    text = (deploy / file).read_text()
    assert was in text
    try:
        getattr(validate, check)(deploy)
        (deploy / file).write_text(text.replace(was, becomes, 1))
        with pytest.raises(AssertionError):
            getattr(validate, check)(deploy)
    except validate.NotInstalledError as missing:
        pytest.skip(f"not installed: {missing}")


def test_a_rule_that_is_no_promql_is_refused_with_its_name(tmp_path):
    deploy = _copy(tmp_path)
    (deploy / "prometheus/alerts-spoiled.yml").write_text(
        "groups: [{name: g, rules: [{alert: Spoiled, expr: 'rate(up[5m'}]}]\n"
    )
    with pytest.raises(AssertionError, match="Spoiled"):
        validate.expressions(deploy)


def _copy(folder: Path) -> Path:
    deploy = folder / "deploy"
    shutil.copytree(DEPLOY, deploy, ignore=shutil.ignore_patterns("data", "secrets"))
    return deploy
