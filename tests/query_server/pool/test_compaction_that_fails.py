"""A compaction that is refused, overtaken, given up, out of room or killed: what was served goes on."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from live_pools import (
    add,
    compact,
    contents,
    encode,
    of_another_encoder,
    open_live,
    raw_contents,
    remove,
    samples,
    served,
)
from refusals import refused

from query_server.errors import DowserError, Reason
from query_server.pool import BUILDING, LivePool, Pool, identity_of, write_compacted

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def test_features_of_compacted_samples_that_are_not_finite_are_refused(changed: LivePool, pool: Pool) -> None:
    live = compact(changed)
    held = contents(live.current())
    with refused(Reason.NOT_FINITE, "compacted samples"):
        live.rebased(
            of_another_encoder(pool),
            encode=lambda x: np.full_like(encode(x), np.nan),
            encoder="other",
        )
    assert contents(live.current()) == held
    assert add(live, samples(1, 9), "z").size == len(held) + 1
    live.close()


def test_an_empty_pool_is_not_compacted(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    remove(live, pool.ids_of(np.arange(950)), "r")
    with refused(Reason.COMPACTION_REFUSED, "every sample was removed"):
        live.moment()
    live.close()


def test_a_compaction_that_another_index_overtook_changes_nothing(
    changed: LivePool, larger_pool: Pool, tmp_path: Path
) -> None:
    moment = changed.moment()
    live = changed.rebased(larger_pool, encode=encode, encoder="one")
    held = contents(live.current())
    with refused(Reason.COMPACTION_REFUSED, "another index or encoder"):
        compact(live, moment)
    assert contents(live.current()) == held
    live.remove_unused()
    assert list(tmp_path.glob("index-*")) == []
    assert add(live, samples(1, 9), "z").size == len(held) + 1
    live.close()


def test_given_up_it_leaves_nothing(changed: LivePool, tmp_path: Path) -> None:
    calls = []

    def gone() -> None:
        calls.append(1)
        if len(calls) > 2:  # the process that builds is at work
            raise DowserError(Reason.CANCELLED, "gone")

    with refused(Reason.CANCELLED):
        write_compacted(
            changed.current(),
            tmp_path / "out",
            queries=np.zeros((4, 6), np.float32),
            threads=1,
            give_way=lambda: None,
            checkpoint=gone,
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [500, 20_000])  # less than a manifest, less than the index
def test_a_process_that_finds_the_disk_full_says_so_and_leaves_nothing(
    changed: LivePool, tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = contents(changed.current())

    def fill_up() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with monkeypatch.context() as patched, refused(Reason.COMPACTION_REFUSED, "ended with 1: .*"):
        patched.setattr(subprocess, "Popen", partial(subprocess.Popen, preexec_fn=fill_up))
        write_compacted(
            changed.current(),
            tmp_path / "out",
            queries=np.zeros((4, 6), np.float32),
            threads=1,
            give_way=lambda: None,
            checkpoint=lambda: None,
        )
    assert not (tmp_path / "out").exists()
    assert contents(compact(changed).current()) == held


def test_without_room_for_it_nothing_is_begun(changed: LivePool, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10_000))
    with refused(Reason.STORAGE_FULL, "bytes are needed"):
        compact(changed)
    assert not (tmp_path / BUILDING).exists()


def test_killed_in_the_middle_it_is_the_old_state_or_the_new_one(
    tmp_path: Path, pool: Pool, index_dir: Path
) -> None:
    live = open_live(tmp_path, pool)
    held = raw_contents(live.current())
    live.close()
    folders = set()
    for life in range(6):
        process = subprocess.Popen(
            [sys.executable, str(HERE / "_compactor.py"), str(tmp_path), str(index_dir), str(life)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}:{ROOT / 'tests'}"},
        )
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2 + life % 3)]
        time.sleep(0.3 * (life % 3 == 0) * life)
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        assert all(lines[:2]), "it ended by itself"
        for line in lines:
            if line.startswith("added") and line.endswith("\n"):
                held |= {
                    pool_id: raw.tobytes()
                    for pool_id, raw in zip(json.loads(line[6:]), samples(3, life), strict=True)
                }
            elif line.startswith("removed") and line.endswith("\n"):
                held = {pool_id: raw for pool_id, raw in held.items() if pool_id not in json.loads(line[8:])}
        live = open_live(tmp_path, served(tmp_path, pool), verify=True)
        now = raw_contents(live.current())
        missing, more = held.keys() - now.keys(), now.keys() - held.keys()
        assert len(missing) <= 1 and len(more) <= 3  # the one write that was under way
        assert all(held[pool_id] == now[pool_id] for pool_id in held.keys() & now.keys())
        held = now
        folders.add(live.compacted_folder(identity_of(pool.manifest)))
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} <= {
            path.name for path in [live.compacted_folder(identity_of(pool.manifest))] if path is not None
        }
        live.close()
    assert len(held) > 950
    assert None in folders and len(folders) > 1
