"""The container files: linted in `make lint`, and here run step by step without an engine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import REPOSITORY

from tests.deploy.conftest import DEPLOY
from tests.deploy.image import Image, environment, index_answers, parse, run

FILES = ("Containerfile", "Containerfile.gpu")


def test_the_image_holds_the_server_and_neither_torch_nor_pip(cpu_image: Image):
    assert "index" in run(cpu_image, "dowser-server --help")
    listed = "import importlib.util as u; print([n for n in ('torch', 'sklearn', 'pip', 'faiss') if u.find_spec(n)])"
    assert run(cpu_image, f'python -c "{listed}"').strip() == "['faiss']"
    assert not (cpu_image.root / "src").exists()
    assert not (cpu_image.root / "usr/local/bin/pip").exists()


def test_what_the_image_holds_is_what_constraints_pin(cpu_image: Image):
    script = "import importlib.metadata as m; print('\\n'.join(d.name + '==' + d.version for d in m.distributions()))"
    installed = {_normal(line) for line in run(cpu_image, f'python -c "{script}"').splitlines()}
    assert "grpcio" in {line.partition("==")[0] for line in installed}
    assert {line for line in installed if not line.startswith("dowser")} <= _pins()


def test_the_image_serves_is_probed_and_stops_as_an_engine_would_have_it(
    cpu_image: Image, digits_bundle: Path, digits_index: Path
):
    data = cpu_image.inside("/var/lib/dowser/data")
    shutil.copytree(digits_bundle, data / "bundle")
    shutil.copytree(digits_index, data / "index")
    state = cpu_image.inside("/var/lib/dowser/state")
    before = _files(cpu_image.root, but=state)
    user = _user(cpu_image)
    server = subprocess.Popen(
        [_program(cpu_image), *cpu_image.commands["CMD"], "--port", "0"],
        cwd=cpu_image.inside("."),
        env=environment(cpu_image),
        stdout=subprocess.PIPE,
        stderr=(cpu_image.root.parent / "log").open("w"),
        text=True,
        **user,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert "listening on" in line, (cpu_image.root.parent / "log").read_text()
        probe = cpu_image.commands["HEALTHCHECK"][1:]
        healthy = subprocess.run(
            [_program(cpu_image), *probe, "--address", line.split()[-1]],
            env=environment(cpu_image),
            timeout=60,
            check=False,
            **user,
        )
        assert healthy.returncode == 0
        server.send_signal(signal.Signals[cpu_image.stop_signal])
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.wait()
    assert _files(cpu_image.root, but=state) == before
    assert (state / "ledger.sqlite").exists()


def test_the_gpu_image_resolves_to_pinned_packages_on_the_python_of_its_base(tmp_path: Path):
    """Resolved, not installed: gigabytes of CUDA, and no device."""
    if not index_answers():
        pytest.skip("needs a package index, as a container build does")
    steps = [value for instruction, value in parse(DEPLOY / "Containerfile.gpu") if instruction == "RUN"]
    assert '/opt/pip/bin/pip --python /opt/dowser/bin/python install ".[${EXTRAS}]"' in steps
    assert ("ARG", "EXTRAS=gpu") in parse(DEPLOY / "Containerfile.gpu")
    pip = tmp_path / "pip"
    subprocess.run([sys.executable, "-m", "venv", pip], check=True, timeout=120)
    constraints = REPOSITORY / "constraints.txt"
    dry = {**os.environ, "PIP_CONSTRAINT": str(constraints), "PIP_BUILD_CONSTRAINT": str(constraints)}
    subprocess.run([pip / "bin/pip", "install", "--quiet", "pip>=25.3"], check=True, timeout=120, env=dry)
    report = tmp_path / "report.json"
    subprocess.run(
        [
            *(pip / "bin/pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", report),
            *("--target", tmp_path / "target", "--python-version", "3.12", "--only-binary", ":all:"),
            f"{REPOSITORY}[gpu]",
        ],
        check=True,
        timeout=300,
        env=dry,
    )
    packages = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    resolved = {_normal(f"{package['name']}=={package['version']}") for package in packages}
    assert {line for line in resolved if not line.startswith("dowser")} <= _pins()
    names = {line.partition("==")[0] for line in resolved}
    assert {"faiss-gpu-cuvs", "onnxruntime-gpu"} <= names
    assert not {"faiss-cpu", "onnxruntime", "torch"} & names


@pytest.mark.parametrize("file", FILES)
def test_the_last_stage_runs_as_a_number_and_carries_no_build_tools(file: str):
    steps = parse(DEPLOY / file)
    last = steps[max(at for at, (instruction, _) in enumerate(steps) if instruction == "FROM") :]
    said = dict(last)
    user, _, group = said["USER"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(said["ENTRYPOINT"]) == ["dowser-server"]
    scripts = [value for instruction, value in last if instruction == "RUN"]
    assert not [script for script in scripts if "pip install" in script or "python3-pip" in script]
    assert [value for instruction, value in last if instruction == "COPY"] == [
        "--from=build /opt/dowser /opt/dowser",
        f"--from=build --chown={said['USER']} /var/lib/dowser/state /var/lib/dowser/state",
    ]


@pytest.mark.parametrize("file", FILES)
def test_what_a_build_copies_is_what_the_context_lets_in(file: str):
    let_in = {
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        name
        for instruction, value in parse(DEPLOY / file)
        if instruction == "COPY" and not value.startswith("--from")
        for name in value.split()[:-1]
    }
    assert copied == let_in
    assert all((REPOSITORY / name).exists() for name in copied)


def _program(image: Image) -> str:
    (program,) = image.commands["ENTRYPOINT"]
    found = shutil.which(program, path=image.environment["PATH"])
    assert found is not None
    return found


def _user(image: Image) -> dict[str, int]:
    """Return the image's user for a process, where this one may become it and it may run this Python."""
    if os.geteuid() != 0:
        return {}
    uid, gid = map(int, image.user.split(":"))
    try:
        python = image.inside("/opt/dowser/bin/python")
        subprocess.run([python, "-c", ""], user=uid, group=gid, check=True, timeout=60)
    except (PermissionError, subprocess.CalledProcessError):
        return {}
    return {"user": uid, "group": gid}


def _files(root: Path, *, but: Path) -> dict[str, tuple[int, int]]:
    """Return size and time of change of every file below `root`."""
    found = (path for path in root.rglob("*") if but not in path.parents and path.is_file())
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


def _pins() -> set[str]:
    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    return {_normal(line) for line in lines if line and not line.startswith("#")}


def _normal(pin: str) -> str:
    name, _, version = pin.strip().partition("==")
    return f"{name.lower().replace('_', '-').replace('.', '-')}=={version}"
