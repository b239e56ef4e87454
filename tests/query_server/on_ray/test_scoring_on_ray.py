"""`dowser-server score --engine ray`: the local engine's shards, also when a node is killed at work."""

from __future__ import annotations

import subprocess
from pathlib import Path

from processes import REPOSITORY, command, succeed
from ray_cluster import TwoNodes


def _shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(out.glob("*.parquet"))}


def test_two_nodes_of_which_one_is_killed_at_work_write_the_same_shards(
    cluster: TwoNodes, digits_bundle: Path, digits_index: Path, classifier_bytes: bytes, tmp_path: Path
) -> None:
    classifier, local, on_ray = tmp_path / "classifier.onnx", tmp_path / "local", tmp_path / "ray"
    classifier.write_bytes(classifier_bytes)
    asked = ("score", "--bundle", digits_bundle, "--index", digits_index, "--classifier", classifier)
    asked += ("--acquisition", "margin", "--acquisition", "maximum_entropy", "--threads", 1)
    asked += ("--shard-size", 8)
    succeed("dowser-server", *asked, "--out", local)
    words = (*asked, "--out", on_ray, "--engine", "ray", "--ray-address", cluster.address)
    log = tmp_path / "ray.log"
    process = subprocess.Popen(
        [command("dowser-server"), *map(str, words)], cwd=REPOSITORY, stderr=log.open("w")
    )
    try:
        cluster.kill_second_at_work(lambda: process.poll() is None)
        at_the_kill = _shards(on_ray)
        assert process.wait(timeout=300) == 0, log.read_text()[-3000:]
    finally:
        process.kill()
    assert len(at_the_kill) < len(_shards(local)) == 163
    assert _shards(on_ray) == _shards(local)
