"""`dowser-server score`: without a server, on this machine; on Ray: see ../on_ray."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from processes import REPOSITORY, command, run_command, succeed

from query_server.cli import main

COLUMNS = ("--acquisition", "margin", "--acquisition", "maximum_entropy", "--threads", 1)


@pytest.fixture
def classifier(classifier_bytes: bytes, tmp_path: Path) -> Path:
    file = tmp_path / "classifier.onnx"
    file.write_bytes(classifier_bytes)
    return file


@pytest.fixture
def asked(digits_bundle: Path, digits_index: Path, classifier: Path) -> tuple[object, ...]:
    return (
        *("score", "--bundle", digits_bundle, "--index", digits_index),
        "--classifier",
        classifier,
        *COLUMNS,
    )


def shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.parquet"))}


def wait_for_shards(out: Path, count: int, process: subprocess.Popen) -> None:
    for _ in range(2400):
        if len(list(out.glob("*.parquet"))) >= count:
            return
        assert process.poll() is None, "it ended before"
        time.sleep(0.02)
    raise AssertionError(f"no {count} shards in {out}")


def test_an_index_is_scored_and_goes_on_after_a_kill(asked, tmp_path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    succeed("dowser-server", *asked, "--out", whole, "--shard-size", 4)
    assert pq.read_table(sorted(whole.glob("*.parquet")))["pool_id"].to_pylist() == list(range(1297))
    words = [command("dowser-server"), *map(str, asked), "--out", str(killed), "--shard-size", "4"]
    process = subprocess.Popen(words, cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    wait_for_shards(killed, 20, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(shards(killed)) < len(shards(whole))
    again = run_command("dowser-server", *asked, "--out", killed, "--shard-size", 4)
    assert again.returncode == 0, again.stderr
    assert shards(killed) == shards(whole)


def test_a_folder_of_other_scores_is_refused(asked, tmp_path) -> None:
    assert run_command("dowser-server", *asked, "--out", tmp_path / "out").returncode == 0
    other = run_command("dowser-server", *asked, "--out", tmp_path / "out", "--probabilities")
    assert other.returncode == 1
    assert "out must be an empty folder, or one of the same scores" in other.stderr


def test_negative_ids_are_named_and_not_taken_for_huge_ones(tmp_path, capsys) -> None:
    np.save(tmp_path / "ids.npy", np.array([3, -1]))
    paths = [str(tmp_path / name) for name in ("bundle", "index", "classifier.onnx", "out", "ids.npy")]
    flags = ("--bundle", "--index", "--classifier", "--out", "--ids")
    assert main(["score", *(word for pair in zip(flags, paths, strict=True) for word in pair)]) == 1
    assert "ids must be pool ids, which are not negative, got -1" in capsys.readouterr().err
