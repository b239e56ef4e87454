import json
import os
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from live_pools import add, contents, open_live, other_encode, remove, samples
from refusals import refused

from query_server.errors import Reason
from query_server.pool import LivePool, Pool
from query_server.pool.row_file import RowFile

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


def _start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}:{ROOT / 'tests'}"},
    )


def _filled(directory: Path, pool: Pool) -> dict[int, tuple[bytes, bytes]]:
    live = open_live(directory, pool)
    added = add(live, samples(20, 1), "a").pool_ids
    remove(live, added[:3], "r")
    held = contents(live.current())
    live.close()
    return held


@pytest.mark.parametrize("name", ["samples.bin", "features-1.bin"])
@pytest.mark.parametrize("tail", [1, 24, 10_000])
def test_the_tail_of_a_write_that_did_not_commit_is_cut_off(
    tmp_path: Path, pool: Pool, name: str, tail: int
) -> None:
    held = _filled(tmp_path, pool)
    length = (tmp_path / name).stat().st_size
    with (tmp_path / name).open("ab") as file:
        file.write(os.urandom(tail))
    live = open_live(tmp_path, pool, verify=True)
    assert contents(live.current()) == held
    assert (tmp_path / name).stat().st_size == length
    assert add(live, samples(2, 2), "b").size == 969
    live.close()
    live = open_live(tmp_path, pool, verify=True)
    assert live.current().size == 969
    live.close()


def test_a_first_write_that_did_not_commit_leaves_nothing(tmp_path: Path, pool: Pool) -> None:
    open_live(tmp_path, pool).close()
    (tmp_path / "samples.bin").write_bytes(b"torn")
    (tmp_path / "features-1.bin").write_bytes(b"torn")
    live = open_live(tmp_path, pool, verify=True)
    assert live.current().size == 950
    assert add(live, samples(2, 2), "b").size == 952
    live.close()
    open_live(tmp_path, pool, verify=True).close()


@pytest.mark.parametrize("name", ["samples.bin", "features-1.bin"])
def test_rows_that_were_lost_or_changed_are_named(tmp_path: Path, pool: Pool, name: str) -> None:
    _filled(tmp_path, pool)
    content = bytearray((tmp_path / name).read_bytes())
    content[100] ^= 1
    (tmp_path / name).write_bytes(content)
    open_live(tmp_path, pool).close()  # nobody asked
    with refused(Reason.CORRUPT_FILE, f"{name}: rows 0 to 19"):
        open_live(tmp_path, pool, verify=True)
    (tmp_path / name).write_bytes(content[:-1])
    with refused(Reason.CORRUPT_FILE, name):
        open_live(tmp_path, pool)


def test_kill_9_leaves_the_old_state_or_the_new_one(tmp_path: Path, pool: Pool, index_dir: Path) -> None:
    added: dict[int, int] = {}  # pool id -> the seed of its samples
    removed: set[int] = set()
    version = 1
    for life in range(10):
        process = _start("_changer.py", tmp_path, index_dir, life)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2 + 3 * life % 11)]
        process.send_signal(signal.SIGKILL)  # somewhere in the write after the last one read
        lines += process.stdout.read().splitlines(keepends=True)
        process.wait()
        process.stdout.close()
        assert len(lines) > 1 and lines[1].startswith("added"), "it ended by itself"
        for line in lines[1:]:
            if line.endswith("\n"):
                kind, number, ids_and_seed = line.split(" ", 2)
                ids, seed = json.loads(ids_and_seed[: ids_and_seed.rindex(" ")]), int(line.split()[-1])
                version = max(version, int(number))
                if kind == "added":
                    added |= dict.fromkeys(ids, seed)
                else:
                    removed |= set(ids)
        live = open_live(tmp_path, pool, verify=True)
        state = live.current()
        live.close()
        assert state.index_version >= version
        held = state.rows_of(np.array(sorted(added), np.uint64)) >= 0
        assert {pool_id for pool_id, there in zip(sorted(added), held, strict=True) if not there} >= removed
        for pool_id, seed in added.items():
            row = state.rows_of(np.array([pool_id], np.uint64))
            if row[0] >= 0:
                assert state.raw(row)[0].tobytes() in {one.tobytes() for one in samples(3, seed)}
        # Three are added, then one removed: whatever the instant, the sizes fit.
        assert (state.rows - 950) % 3 == 0
        assert state.rows - 950 - (state.size - 950) == state.removed <= (state.rows - 950) // 3


@pytest.mark.parametrize(
    ("limit", "at_a_time", "full"), [(400_000, 2500, "samples.bin"), (262_144, 2, "journal.sqlite")]
)
def test_a_full_disk_changes_nothing_and_the_same_request_goes_through_later(
    tmp_path: Path, pool: Pool, index_dir: Path, limit: int, at_a_time: int, full: str
) -> None:
    process = _start("_full_disk.py", tmp_path, index_dir, limit, at_a_time)
    out, _ = process.communicate(timeout=120)
    refused, added = out.splitlines()
    reason, path, step, size = refused.split()
    assert (reason, path, int(size)) == ("STORAGE_FULL", full, 950 + int(step) * at_a_time)
    assert int(step) > 0
    assert added == f"added {int(size) + at_a_time}"
    live = open_live(tmp_path, pool, verify=True)
    assert live.current().size == int(size) + at_a_time
    live.close()


def test_a_journal_is_open_in_one_process(tmp_path: Path, pool: Pool, index_dir: Path) -> None:
    process = _start("_changer.py", tmp_path, index_dir, 0)
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    with refused(Reason.UNAVAILABLE):
        open_live(tmp_path, pool)
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [("PRAGMA user_version = 99", "upgrade"), ("PRAGMA application_id = 1", "another program")],
)
def test_a_database_of_another_kind_is_refused(tmp_path: Path, pool: Pool, statement: str, says: str) -> None:
    open_live(tmp_path, pool).close()
    connection = sqlite3.connect(tmp_path / "journal.sqlite")
    connection.execute(statement)
    connection.close()
    with refused(Reason.CORRUPT_FILE, says):
        open_live(tmp_path, pool)


def test_a_copy_is_a_pool_of_its_own(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path / "live", pool)
    added = add(live, samples(20, 1), "a").pool_ids
    remove(live, added[:3], "r")
    live.copy_to(tmp_path / "copy")
    held = contents(live.current())
    add(live, samples(2, 2), "b")
    live.close()
    copy = open_live(tmp_path / "copy", pool, verify=True)
    assert contents(copy.current()) == held
    assert add(copy, samples(20, 1), "a").pool_ids.tolist() == added.tolist()
    copy.close()


def test_a_pool_changes_while_it_is_copied_and_the_copy_is_of_one_moment(
    tmp_path: Path, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = open_live(tmp_path / "live", pool)
    add(live, samples(20, 1), "a")
    held = contents(live.current())
    changed: list[LivePool] = []
    write = RowFile.write

    def write_after_changes(file: RowFile, first_row: int, values: npt.NDArray[Any]) -> None:
        if file.path.parent == tmp_path / "copy" and not changed:
            with ThreadPoolExecutor(1) as others:
                others.submit(add, live, samples(2, 2), "b").result(60)
                rebased = others.submit(live.rebased, pool, encode=other_encode, encoder="two").result(60)
            changed.append(rebased)  # and the file of the features that are being copied is gone
        write(file, first_row, values)

    monkeypatch.setattr(RowFile, "write", write_after_changes)
    live.copy_to(tmp_path / "copy")
    assert changed[0].current().size == 972
    live.close()
    copy = open_live(tmp_path / "copy", pool, verify=True)
    assert contents(copy.current()) == held
    copy.close()
