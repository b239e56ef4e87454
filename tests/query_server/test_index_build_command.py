"""``dowser-server index build`` as a user meets it: interrupted, resumed, and refused."""

import json
import signal
import subprocess
import time

import numpy as np
from processes import command, run_command


def test_an_interrupted_build_says_so_and_goes_on_where_it_was(digits, digits_bundle, tmp_path):
    pool, out = tmp_path / "pool.npy", tmp_path / "index"
    np.save(pool, np.tile(digits.pool, (200, 1, 1)))
    arguments = ("index", "build", "--bundle", digits_bundle, "--pool", pool, "--out", out, "--chunk", 256)
    building = subprocess.Popen(
        [command("dowser-server"), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with SIGINT ignored, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    progress = tmp_path / "index.partial" / "progress.json"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and building.poll() is None:
        if progress.exists() and json.loads(progress.read_text())["rows_done"] > 0:
            break
        time.sleep(0.02)
    building.send_signal(signal.SIGINT)
    _, stderr = building.communicate(timeout=60)
    assert building.returncode == 130
    assert "goes on where it was" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()

    again = run_command("dowser-server", *arguments)
    assert again.returncode == 0, again.stderr
    assert "indexed 259400 samples" in again.stdout
    first_bar = again.stderr.replace("\r", "\n").strip().splitlines()[0]
    assert first_bar.startswith("encode:")
    assert "| 0/259400" not in first_bar


def test_a_pool_the_bundle_was_not_made_for_is_refused(digits_bundle, tmp_path):
    np.save(tmp_path / "pool.npy", np.zeros((50, 16, 16), np.uint8))
    done = run_command(
        *("dowser-server", "index", "build", "--bundle", digits_bundle, "--pool", tmp_path / "pool.npy"),
        *("--out", tmp_path / "index"),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "16" in done.stderr
