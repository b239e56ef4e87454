"""Hold every file of deploy/ against a published validator; `make lint` runs it.

Tools that come as Python packages are in the extra "dev" and always run. kubectl (or kustomize), promtool and
systemd-analyze run where they are installed; where not, a line says what was not checked.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import promql_parser
import yaml

DEPLOY = Path(__file__).resolve().parent
KUBERNETES = ("1.31", "1.37")  # the oldest and the newest version the manifests are meant for
EXPOSURE = 20  # tenths; systemd-analyze calls up to 2.9 "OK"


class NotInstalledError(Exception):
    """A tool that is not a Python package is missing; the text says what was not checked."""


def containerfiles(deploy: Path) -> str:
    """Lint the container files."""
    files = sorted(deploy.glob("Containerfile*"))
    _run(_beside_python("hadolint"), *files)
    return f"hadolint: {_names(files)}"


def compose(deploy: Path) -> str:
    """Check compose.yaml against the Compose specification."""
    _run(
        _beside_python("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", deploy / "compose.yaml"
    )
    return "check-jsonschema, compose-spec: compose.yaml"


def kubernetes(deploy: Path) -> str:
    """Check the plain manifests against the API's schemas; what a patch makes of them is `kustomize`'s."""
    base = deploy / "kubernetes/base"
    files = sorted(
        {*base.glob("*.yaml"), *base.parent.glob("*.example.yaml")} - {base / "kustomization.yaml"}
    )
    for version in KUBERNETES:
        _run(
            _beside_python("kubernetes-validate"),
            "--strict",
            "--quiet",
            "--kubernetes-version",
            version,
            *files,
        )
    return f"kubernetes-validate, {' and '.join(KUBERNETES)}: {_names(files)}"


def kustomize(deploy: Path) -> str:
    """Render the base and the overlays, and check what comes out."""
    folders = [deploy / "kubernetes/base", *sorted((deploy / "kubernetes/overlays").iterdir())]
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            rendered = Path(scratch) / f"{folder.name}.yaml"
            rendered.write_text(render(folder))
            for version in KUBERNETES:
                _run(
                    *(_beside_python("kubernetes-validate"), "--strict", "--quiet"),
                    *("--kubernetes-version", version, rendered),
                )
    return f"rendered, then kubernetes-validate: {_names(folders)}"


def render(folder: Path) -> str:
    """Return a kustomization's manifests as YAML.

    Raises:
        NotInstalledError: Without kubectl and kustomize.
    """
    if shutil.which("kustomize"):
        return _run("kustomize", "build", folder)
    if shutil.which("kubectl"):
        return _run("kubectl", "kustomize", folder)
    raise NotInstalledError("kubectl or kustomize: the base and the GPU overlay were not rendered")


def prometheus(deploy: Path) -> str:
    """Check Prometheus' configuration and the rules it names."""
    if not shutil.which("promtool"):
        raise NotInstalledError("promtool: prometheus.yml was not checked, its rules' expressions were")
    _run("promtool", "check", "config", deploy / "prometheus/prometheus.yml")
    return "promtool: prometheus.yml and its rules"


def expressions(deploy: Path) -> str:
    """Parse every PromQL expression of rules and dashboards."""
    count = 0
    for place, expression in _expressions(deploy):
        try:
            promql_parser.parse(re.sub(r"\$\{?__\w+\}?", "5m", expression))
        except ValueError as error:
            raise AssertionError(f"{place}: {error}: {expression}") from None
        count += 1
    return f"promql-parser: {count} expressions of rules and dashboards"


def systemd(deploy: Path) -> str:
    """Verify the unit and hold its exposure under the threshold."""
    if not shutil.which("systemd-analyze"):
        raise NotInstalledError("systemd-analyze: the unit was not verified")
    unit = deploy / "systemd/dowser-server.service"
    with tempfile.TemporaryDirectory() as scratch:
        # What it starts is not installed here; the rest is verified as it is.
        copy = Path(scratch) / unit.name
        copy.write_text(unit.read_text().replace("/opt/dowser/bin/dowser-server", sys.executable))
        said = _run("systemd-analyze", "verify", "--man=no", copy)
        if said.strip():
            raise AssertionError(said)
        scored = _run("systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", copy)
    level = re.search(r"exposure level for .*: ([\d.]+)", scored)
    return f"systemd-analyze: the unit, exposure {level[1] if level else scored}"


def _expressions(deploy: Path) -> Iterator[tuple[str, str]]:
    for file in sorted((deploy / "prometheus").glob("alerts*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield f"{file.name}, {rule.get('alert') or rule['record']}", rule["expr"]
    for file in sorted((deploy / "grafana/dashboards").glob("*.json")):
        for panel in _panels(json.loads(file.read_text())):
            for target in panel.get("targets", ()):
                yield f"{file.name}, {panel.get('title')}", target["expr"]


def _panels(board: dict[str, list[dict]]) -> Iterator[dict]:
    for panel in board.get("panels", ()):
        yield panel
        yield from _panels(panel)


def _beside_python(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)


def _run(*command: object) -> str:
    """Run a tool and return what it printed; AssertionError with it where the tool is not content."""
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


CHECKS: tuple[Callable[[Path], str], ...] = (
    containerfiles,
    compose,
    kubernetes,
    kustomize,
    prometheus,
    expressions,
    systemd,
)


def main() -> int:
    """Run all checks; returns 1 where a validator is not content."""
    failed = 0
    for check in CHECKS:
        try:
            print(f"deploy: {check(DEPLOY)}")
        except NotInstalledError as missing:
            print(f"deploy: not installed here: {missing}")
        except AssertionError as error:
            failed = 1
            print(f"deploy: {error}", file=sys.stderr)
    return failed


if __name__ == "__main__":
    sys.exit(main())
