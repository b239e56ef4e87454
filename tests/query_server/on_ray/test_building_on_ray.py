"""`dowser-server index build --engine ray`: the local engine's index, whatever is killed on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import REPOSITORY
from ray_cluster import TwoNodes

from query_server.errors import DowserError, Reason
from query_server.ray_building import RayWorkers
from query_server.ray_tasks import connected

COPIES = 60
# The driver alone decides how many rows a block has.
SMALL_BLOCKS = """
import sys
from query_server.pool import blocks
blocks._BLOCK_BYTES = 1
from query_server.cli import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True, kw_only=True)
class Build:
    """How to build one pool's index in a folder."""

    bundle: Path
    pool: Path
    folder: Path

    def start(self, out: str, *options: object) -> subprocess.Popen[str]:
        words = ("index", "build", "--bundle", self.bundle, "--pool", self.pool, "--out", self.folder / out)
        words += ("--chunk", 512, "--factory", "IVF64,SQ8", "--threads", 1, *options)
        return subprocess.Popen(
            [sys.executable, "-c", SMALL_BLOCKS, *map(str, words)],
            cwd=REPOSITORY,
            stderr=(self.folder / f"{out}.log").open("a"),
            text=True,
        )

    def finish(self, out: str, process: subprocess.Popen[str]) -> Path:
        assert process.wait(timeout=300) == 0, (self.folder / f"{out}.log").read_text()[-3000:]
        return self.folder / out

    def encoded(self, out: str) -> int:
        """Return the rows that an unfinished build has encoded."""
        try:
            return json.loads((self.folder / f"{out}.partial/progress.json").read_text())["rows_done"]
        except FileNotFoundError:
            return 0


@pytest.fixture(scope="module")
def build(digits: Any, digits_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("builds")
    rng = np.random.default_rng(0)
    pool = np.tile(digits.pool, (COPIES, 1, 1)) ^ rng.integers(0, 8, (1, 8, 8), dtype=np.uint8)
    np.savez(folder / "pool.npz", x=pool, pool_ids=rng.permutation(len(pool)))
    return Build(bundle=digits_bundle, pool=folder / "pool.npz", folder=folder)


@pytest.fixture(scope="module")
def local(build: Build) -> Path:
    return build.finish("local", build.start("local"))


def _contents(index: Path) -> dict[str, object]:
    files: dict[str, object] = {path.name: path.read_bytes() for path in index.iterdir()}
    manifest = json.loads(files.pop("manifest.json"))
    for time_of_the_build in ("created_unix_seconds", "build_seconds"):
        del manifest[time_of_the_build]
    return {**files, "manifest": manifest}


def _wait(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not reached():
        assert process.poll() is None, "it ended before"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_nodes_of_which_one_is_killed_at_work_build_the_same_index(
    cluster: TwoNodes, build: Build, local: Path
) -> None:
    process = build.start("lost", "--engine", "ray", "--ray-address", cluster.address)
    try:
        _wait(lambda: build.encoded("lost") >= 5_000, process)
        cluster.kill_second_at_work(lambda: process.poll() is None)
        assert 5_000 <= build.encoded("lost") < COPIES * 1297
        built = build.finish("lost", process)
    finally:
        process.kill()
    assert _contents(built) == _contents(local)


@pytest.mark.parametrize("begun_on_ray", [True, False])
def test_a_killed_build_goes_on_with_the_other_engine(
    cluster: TwoNodes, build: Build, local: Path, begun_on_ray: bool
) -> None:
    on_ray = ("--engine", "ray", "--ray-address", cluster.address)
    out = "ray-then-local" if begun_on_ray else "local-then-ray"
    first = build.start(out, *(on_ray if begun_on_ray else ()))
    _wait(lambda: build.encoded(out) >= 5_000, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    done = build.encoded(out)
    assert 5_000 <= done < COPIES * 1297
    second = build.start(out, *(() if begun_on_ray else on_ray))
    built = build.finish(out, second)
    assert _contents(built) == _contents(local)
    assert f"| {done}/{COPIES * 1297}" in (build.folder / f"{out}.log").read_text()  # went on there


def test_a_node_that_sees_other_files_refuses_as_a_build_here_would(cluster: TwoNodes, build: Build) -> None:
    workers = RayWorkers(
        bundle=build.bundle,
        bundle_digest="ab" * 32,
        pool=build.pool,
        key=None,
        size=COPIES * 1297,
        sample_bytes=64,
        threads=1,
        device="cpu",
    )
    with connected(cluster.address):
        with pytest.raises(DowserError, match="another bundle") as caught:
            list(workers.encode([(0, 5)]))
        with pytest.raises(DowserError, match="chunk must be at most"):
            workers.encode([(0, 10**9)])
    assert caught.value.reason is Reason.CORRUPT_FILE
    assert caught.value.metadata == {"file": str(build.bundle)}
