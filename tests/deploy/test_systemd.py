"""The unit's filters let the server do what it does: its system calls are counted, memory is never made executable.

`systemd-analyze verify` and `security` are `make lint`'s (deploy/validate.py). systemd itself does not run here.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from processes import REPOSITORY, command

from client import Client, Dowser
from tests.deploy.conftest import DEPLOY

UNIT = DEPLOY / "systemd/dowser-server.service"
# MemoryDenyWriteExecute= is PR_SET_MDWE where the kernel has it (6.3); prctl(2).
CONFINED = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit("no PR_SET_MDWE: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace to count system calls")
@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="needs systemd-analyze to expand the unit's filter"
)
def test_the_filter_allows_every_system_call_of_a_server_at_work(
    digits_bundle: Path, digits_index: Path, classifier_bytes: bytes, tmp_path: Path
):
    traced = subprocess.Popen(
        [
            *("strace", "--follow-forks", "--summary-only", "--output", tmp_path / "calls"),
            *(
                sys.executable,
                "-c",
                CONFINED,
                command("dowser-server"),
                "serve",
                "--port",
                "0",
                "--threads",
                "2",
            ),
            *("--bundle", digits_bundle, "--index", digits_index, "--state", tmp_path / "state"),
        ],
        stdout=subprocess.PIPE,
        stderr=(tmp_path / "log").open("w"),
        text=True,
        cwd=REPOSITORY,
        process_group=0,
    )
    try:
        assert traced.stdout is not None
        line = traced.stdout.readline()
        if "no PR_SET_MDWE" in (tmp_path / "log").read_text():
            pytest.skip("needs a kernel with PR_SET_MDWE")
        assert "listening on" in line, (tmp_path / "log").read_text()
        with Client.connect(line.split()[-1]) as client:
            client.create_campaign("filtered")
            classifier = client.upload_classifier(classifier_bytes)
            selection = client.select_samples(
                "filtered", budget=5, classifier=classifier, strategy=Dowser(shares={"synthesis": 1})
            )
            client.record_labels("filtered", {int(row): 0 for row in selection.pool_ids})
        (server,) = psutil.Process(traced.pid).children()
        server.terminate()
        traced.wait(timeout=120)
    finally:
        if traced.poll() is None:
            os.killpg(traced.pid, signal.SIGKILL)
            traced.wait()
    made = {
        row.split()[-1] for row in (tmp_path / "calls").read_text().splitlines() if re.match(r" *\d+\.", row)
    }
    made -= {"total"}
    assert {"mmap", "pread64", "fdatasync"} & made
    # execve is how systemd starts it; SQLite gives its files to their folder's owner where it runs as root alone.
    assert made <= allowed() | {"execve"} | ({"fchown"} if os.geteuid() == 0 else set())


def allowed() -> set[str]:
    """Return what SystemCallFilter= leaves: lists in order, those with ~ taken away."""
    calls: set[str] = set()
    for words in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        named = set().union(*(_expand(word) for word in words.removeprefix("~").split()))
        calls = calls - named if words.startswith("~") else calls | named
    return calls


def _expand(name: str) -> set[str]:
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, timeout=60, check=True
    )
    words = (line.strip() for line in said.stdout.splitlines()[1:])
    return set().union(*(_expand(word) for word in words if word and not word.startswith("#")))
