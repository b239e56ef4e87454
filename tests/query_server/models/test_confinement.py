"""What a confined process can no longer do, asked of a process that tries."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

_TRY = """
import json, os, socket, sys, threading
from query_server.models.sandbox import confine

outside = sys.argv[1]
refused = confine.leave_the_world(server_pid=os.getppid(), device="cpu")
refused += confine.close_the_door(memory_bytes=2**26, device="cpu")

def attempt(act):
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "done"

def connect():
    socket.socket(socket.AF_INET).connect(("127.0.0.1", 9))

print(json.dumps({
    "refused": refused,
    "socket": attempt(connect),
    "fork": attempt(os.fork),
    "thread": attempt(threading.Thread(target=print).start),
    "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
    "write": attempt(lambda: open(outside, "r+b")),
    "truncate": attempt(lambda: os.truncate(outside, 0)),
    "make": attempt(lambda: open("here", "w")),
    "remove": attempt(lambda: os.unlink(outside)),
    "kill": attempt(lambda: os.kill(os.getppid(), 0)),
    "memory": attempt(lambda: bytearray(2**28)),
    "a little memory": attempt(lambda: bytearray(2**22)),
    "read": attempt(lambda: open(outside).read()),
}))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no filter for this machine")
def test_a_confined_process_can_compute_and_no_more(tmp_path):
    outside = tmp_path / "ledger"
    outside.write_text("kept")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _TRY, str(outside)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    if any("filter" in why for why in said.pop("refused")):
        pytest.skip("the kernel refuses system call filters here")
    assert said.pop("read") == said.pop("a little memory") == "done"
    assert said.pop("memory") == "MemoryError"
    assert said.pop("thread") == "RuntimeError"
    assert said.pop("make") in ("PermissionError", "FileNotFoundError")
    assert set(said.values()) == {"PermissionError"}, said
    assert outside.read_text() == "kept"


_SERVER = """
import sys, time
from query_server.models.sandbox.process import SandboxConfig
from query_server.models.sandbox.staff import Staff
from query_server.models.sandbox.jobs import GeneratorAlone
import onnx
bundle = GeneratorAlone(input_shape=(1,), latent_dim=1, generator=onnx.ModelProto())
staff = Staff(SandboxConfig(workers=1), bundle)
while len(staff._idle) < 2:
    time.sleep(0.05)
print(*(worker.pid for worker in staff._idle), flush=True)
time.sleep(600)
"""


def test_no_worker_outlives_a_server_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            pids = [int(word) for word in server.stdout.readline().split()]
        finally:
            server.send_signal(signal.SIGKILL)
    assert len(pids) == 2
    for _ in range(200):
        if not any(is_running(pid) for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError("a worker is still there")


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
