"""`dowser score` and `dowser jobs` against a real server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from client import Client
from client.cli import main


@pytest.fixture
def classifier(classifier_bytes: bytes, tmp_path: Path) -> Path:
    file = tmp_path / "classifier.onnx"
    file.write_bytes(classifier_bytes)
    return file


def score(server, classifier: Path, out: Path, *more: object) -> int:
    words = ("score", "--target", server.target, "--classifier", classifier, "--out", out, "--json", *more)
    return main([str(word) for word in words])


def test_a_pool_is_scored_into_a_folder_and_again_only_fetched(server, classifier, tmp_path, capsys) -> None:
    out = tmp_path / "scores"
    columns = ("--acquisition", "margin", "--acquisition", "maximum_entropy", "--shard-size", 600)
    assert score(server, classifier, out, *columns) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["rows"], said["shards"]) == (1297, 3)
    shards = sorted(out.glob("*.parquet"))
    assert [pq.read_metadata(shard).num_rows for shard in shards] == [600, 600, 97]
    assert pq.read_table(out)["pool_id"].to_pylist() == list(range(1297))
    kept = [shard.read_bytes() for shard in shards]
    shards[1].unlink()  # as if interrupted before it was fetched
    shards[2].write_bytes(b"damaged")
    assert score(server, classifier, out, *columns) == 0
    assert [shard.read_bytes() for shard in shards] == kept
    with Client.connect(server.target) as client:
        assert [job.job_id for job in client.list_score_jobs()].count(said["job_id"]) == 1
    assert score(server, classifier, out, "--acquisition", "margin") == 1
    assert "asked for otherwise" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_ids_come_from_a_file(server, classifier, tmp_path, suffix) -> None:
    ids = np.array([5, 3, 900], np.uint64)
    file = tmp_path / f"ids{suffix}"
    np.save(file, ids) if suffix == ".npy" else file.write_text("5\n3 900\n")
    assert score(server, classifier, tmp_path / "out", "--ids", file) == 0
    assert pq.read_table(tmp_path / "out")["pool_id"].to_pylist() == ids.tolist()


def test_jobs_are_listed_shown_and_cancelled(server, classifier, tmp_path, capsys) -> None:
    assert score(server, classifier, tmp_path / "out") == 0
    job_id = json.loads(capsys.readouterr().out)["job_id"]
    target = ("--json", "--target", server.target)
    assert main(["jobs", *target]) == 0
    assert job_id in [job["job_id"] for job in json.loads(capsys.readouterr().out)]
    assert main(["jobs", "cancel", job_id, *target]) == 0  # it has ended, and stays as it is
    assert json.loads(capsys.readouterr().out)["state"] == "done"


def test_nothing_is_left_to_resume_where_no_job_began(server, classifier, tmp_path, capsys) -> None:
    assert score(server, classifier, tmp_path / "out", "--embedding") == 1
    assert "gives no embedding" in capsys.readouterr().err
    assert score(server, classifier, tmp_path / "out") == 0  # the folder is free for another question


@pytest.mark.parametrize("suffix", [".npy", ".txt"])
def test_ids_that_are_none_are_named(server, classifier, tmp_path, suffix, capsys) -> None:
    file = tmp_path / f"ids{suffix}"
    np.save(file, np.array([3, -1])) if suffix == ".npy" else file.write_text("3\n-1\n")
    assert score(server, classifier, tmp_path / "out", "--ids", file) == 1
    assert "pool ids are from 0 to 2^64 - 1, got -1" in capsys.readouterr().err


def test_a_file_where_the_folder_should_be_is_refused(server, classifier, capsys) -> None:
    assert score(server, classifier, classifier) == 1
    assert "choose another --out" in capsys.readouterr().err
