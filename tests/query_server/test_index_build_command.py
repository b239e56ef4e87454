"""``dowser-server index build`` as a user meets it: interrupted, resumed, and refused."""

import json
import signal
import subprocess
import time

import numpy as np
from processes import command, run_command


def test_an_interrupted_build_says_so_and_goes_on_where_it_was(digits, digits_bundle, tmp_path):
    pool, out = tmp_path / "pool.npy", tmp_path / "index"
    np.save(pool, np.tile(digits.pool, (80, 1, 1)))
    arguments = ("index", "build", "--bundle", digits_bundle, "--pool", pool, "--out", out, "--chunk", 100)
    building = subprocess.Popen(
        [command("dowser-server"), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts background jobs with SIGINT ignored, and what they start inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    progress = tmp_path / "index.partial" / "progress.json"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and building.poll() is None:
        if progress.exists() and json.loads(progress.read_text())["rows_done"] > 0:
            break
        time.sleep(0.02)
    building.send_signal(signal.SIGINT)
    _, stderr = building.communicate(timeout=240)
    assert building.returncode == 130
    assert "goes on where it was" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()

    again = run_command("dowser-server", *arguments)
    assert again.returncode == 0, again.stderr
    assert "indexed 103760 samples" in again.stdout
    assert "IVF1024,Flat for 103760 vectors" in again.stderr  # which index, and why
    bars = again.stderr.replace("\r", "\n").splitlines()
    first_bar = next(line for line in bars if line.startswith("encode:"))
    assert "| 0/103760" not in first_bar


def test_an_index_is_made_to_fit_a_budget_and_tuned_with_what_the_generator_makes(
    digits, digits_bundle, tmp_path
):
    pool, out = tmp_path / "pool.npy", tmp_path / "index"
    np.save(pool, np.tile(digits.pool, (3, 1, 1)))
    arguments = ("index", "build", "--bundle", digits_bundle, "--pool", pool, "--out", out)
    refused = run_command("dowser-server", *arguments, "--memory-budget", "1KiB")
    assert refused.returncode == 1
    assert "memory_budget" in refused.stderr
    assert run_command("dowser-server", *arguments, "--memory-budget", "plenty").returncode == 2
    rows = 3 * len(digits.pool)
    dim = json.loads((digits_bundle / "manifest.json").read_text())["feature_dim"]
    budget = rows * 3 * dim  # bytes: too few for four a component, enough for one
    done = run_command("dowser-server", *arguments, "--memory-budget", budget)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert "IVF" in manifest["factory"]
    assert manifest["recall_query_kind"] == "QUERY_KIND_SYNTHETIC"
    assert manifest["recall_at_10"] >= manifest["recall_target"] == 0.95
    assert 0 < manifest["held_out_recall_at_10"] <= 1
    assert (out / "index.faiss").stat().st_size <= budget
    refined = f", refine {manifest['refine_factor']}" if manifest.get("refine_factor") else ""
    assert f"{refined}, recall@10" in done.stdout
    assert "would not fit" in manifest["choice"]


def test_a_pool_the_bundle_was_not_made_for_is_refused(digits_bundle, tmp_path):
    np.save(tmp_path / "pool.npy", np.zeros((50, 16, 16), np.uint8))
    done = run_command(
        *("dowser-server", "index", "build", "--bundle", digits_bundle, "--pool", tmp_path / "pool.npy"),
        *("--out", tmp_path / "index"),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "16" in done.stderr
