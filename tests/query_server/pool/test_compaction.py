import copy
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from live_pools import (
    DIGEST,
    NEW,
    add,
    compact,
    contents,
    encode,
    of_another_encoder,
    open_live,
    other_encode,
    raw_contents,
    remove,
    samples,
    served,
)
from refusals import refused

from query_server.errors import DowserError, Reason
from query_server.pool import LivePool, Pool, identity_of
from query_server.pool.id_sets import from_runs, id_set, members, to_runs


def test_the_compacted_index_holds_what_was_alive_and_the_journal_nothing(
    changed: LivePool, tmp_path: Path
) -> None:
    before = changed.current()
    live = compact(changed)
    state = live.current()
    assert contents(state) == contents(before)
    assert (state.size, state.rows, state.added, state.removed) == (972, 972, 0, 0)
    assert state.index_version == before.index_version + 1
    assert sum(path.stat().st_size for path in tmp_path.glob("*.bin")) == 0
    queries = before.features(np.flatnonzero(before.alive())[::50])
    for one, other in ((0, 1), (1, 0)):
        found = [pool.ids_of(pool.search(queries, 1)[1][:, 0]) for pool in (before, state)]
        assert found[one].tolist() == found[other].tolist()


def test_the_manifest_says_what_was_built_and_how_well_it_finds(changed: LivePool, pool: Pool) -> None:
    manifest = compact(changed).current().manifest
    assert (manifest.size, manifest.pool, manifest.recall_target) == (
        972,
        "digits",
        pool.manifest.recall_target,
    )
    assert manifest.bundle_digest == DIGEST
    assert manifest.recall_at_10 == pytest.approx(1.0)
    assert manifest.recall_queries == 64


def test_what_changes_meanwhile_stays_and_is_right_afterwards(changed: LivePool, tmp_path: Path) -> None:
    moment = changed.moment()
    late = add(changed, samples(6, 2), "late", pool_ids=np.arange(100, 106, dtype=np.uint64)).pool_ids
    remove(changed, np.concatenate([late[:2], NEW[10:13]]), "late-r")
    before = changed.current()
    live = compact(changed, moment)
    state = live.current()
    assert contents(state) == contents(before)
    assert (state.size, state.added, state.removed) == (973, 4, 5)
    assert contents(changed.current()) == contents(before)  # who holds the old one still reads it
    with refused(Reason.UNAVAILABLE):
        add(changed, samples(1, 3), "b")
    more = add(live, samples(2, 4), "more")
    assert more.pool_ids.tolist()[0] > int(before.ids_of(np.flatnonzero(before.alive())).max())
    held = contents(live.current())
    live.close()
    opened = open_live(tmp_path, served(tmp_path, moment.state), verify=True)
    assert contents(opened.current()) == held
    assert opened.current().index_version == more.index_version
    opened.close()


def test_no_id_is_used_twice_after_its_sample_left_every_file(changed: LivePool, pool: Pool) -> None:
    gone = int(pool.ids_of(np.array([7]))[0])
    live = compact(changed)
    for taken in (int(NEW[0]), int(NEW[9]), gone):
        with refused(Reason.POOL_ID_EXISTS):
            add(live, samples(1, 2), f"b{taken}", pool_ids=np.array([taken], np.uint64))
    assert remove(live, [gone, int(NEW[0])], "again").removed == 0


def test_ids_are_assigned_after_the_largest_that_was_removed_and_compacted(
    tmp_path: Path, pool: Pool
) -> None:
    live = open_live(tmp_path, pool)
    largest = int(add(live, samples(3, 1), "a").pool_ids[-1])
    remove(live, [largest], "r")
    live = compact(live)
    assert add(live, samples(1, 2), "b").pool_ids.tolist() == [largest + 1]
    live.close()


def test_requests_from_before_are_answered_as_they_were(
    changed: LivePool, tmp_path: Path, pool: Pool
) -> None:
    scattered = np.array([900, 800, 901, 2**64 - 1], np.uint64)
    first = add(changed, samples(4, 5), "scattered", pool_ids=scattered)
    live = compact(changed)
    for _ in range(2):  # before and after a restart
        again = add(live, samples(4, 5), "scattered")
        assert again.pool_ids.tolist() == scattered.tolist()
        assert (again.index_version, again.size) == (first.index_version, first.size)
        assert add(live, samples(30, 1), "a").pool_ids.tolist() == NEW.tolist()
        assert live.current().size == 976
        live.close()
        live = open_live(tmp_path, served(tmp_path, pool))
    live.close()


def test_every_compaction_stands_for_the_configured_index_and_takes_the_place_of_the_last(
    changed: LivePool, tmp_path: Path, pool: Pool
) -> None:
    live = compact(changed)
    first = [path.name for path in tmp_path.glob("index-*")]
    assert first == ["index-3"]
    add(live, samples(5, 2), "b", pool_ids=np.arange(500, 505, dtype=np.uint64))
    remove(live, [500, 20], "s")
    before = live.current()
    live = compact(live)
    live.remove_unused()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["index-6"]
    assert contents(live.current()) == contents(before)
    held = contents(before)
    live.close()
    live = open_live(tmp_path, served(tmp_path, pool), verify=True)
    assert contents(live.current()) == held
    live.close()


@pytest.mark.parametrize("restart", [False, True])
def test_beside_another_index_nothing_that_was_added_is_lost_and_nothing_removed_comes_back(
    changed: LivePool, tmp_path: Path, pool: Pool, larger_pool: Pool, restart: bool
) -> None:
    """There and back again, with a change and then a compaction in between."""

    def over(live: LivePool, configured: Pool) -> LivePool:
        if restart:
            live.close()
            return open_live(tmp_path, served(tmp_path, configured), verify=True)
        return live.rebased(_served_beside(live, configured), encode=encode, encoder="one")

    held = raw_contents(changed.current())
    live = over(compact(changed), larger_pool)
    state = live.current()
    assert raw_contents(state) == held
    assert (state.added, state.removed) == (16, 4)  # 26 were alive; the index holds ten itself
    remove(live, [11, 25], "s")
    add(live, samples(2, 2), "b", pool_ids=np.array([700, 701], np.uint64))
    held = raw_contents(live.current())
    live = over(live, pool)  # what was compacted of it serves again
    assert raw_contents(live.current()) == held
    live = over(live, larger_pool)
    assert raw_contents(live.current()) == held
    live = compact(live)
    assert raw_contents(live.current()) == held
    live = over(live, pool)
    assert raw_contents(live.current()) == held
    live.close()


def _served_beside(live: LivePool, configured: Pool) -> Pool:
    folder = live.compacted_folder(identity_of(configured.manifest))
    return configured if folder is None else Pool.open(folder, expected_bundle_digest=DIGEST)


def test_another_encoder_encodes_what_was_compacted_anew(
    changed: LivePool, tmp_path: Path, pool: Pool
) -> None:
    live = compact(changed)
    add(live, samples(3, 2), "b")
    raw = raw_contents(live.current())
    live = live.rebased(of_another_encoder(pool), encode=other_encode, encoder="other")
    state = live.current()
    assert raw_contents(state) == raw
    rows = np.arange(950, state.rows)
    np.testing.assert_allclose(state.features(rows), other_encode(state.inputs(rows)), rtol=1e-5)
    live.close()


def test_a_pool_without_samples_is_compacted_too(tmp_path: Path, pool: Pool) -> None:
    bare = copy.copy(pool)
    bare._store, bare.has_samples = None, False
    live = open_live(tmp_path, bare)
    features = encode(pool.preprocessing.to_input(samples(5, 1)))
    added = add(live, features, "a", kind="features").pool_ids
    live = compact(live)
    state = live.current()
    assert not state.has_samples and state.size == 955
    np.testing.assert_array_equal(state.features(state.rows_of(added)), features)
    with pytest.raises(DowserError, match=r"5 samples were added as features.*move this directory away"):
        live.rebased(pool, encode=other_encode, encoder="other")
    assert add(live, features + 1, "b", kind="features").size == 960
    live.close()


def test_an_index_asked_for_by_name_is_built_again_by_that_name(images, tmp_path: Path) -> None:
    images.build(tmp_path / "index", factory="IVF8,Flat")
    live = open_live(tmp_path / "live", Pool.open(tmp_path / "index", expected_bundle_digest=DIGEST))
    add(live, samples(3, 1), "a")
    live = compact(live)
    assert live.current().manifest.factory == "IVF8,Flat"
    remove(live, live.current().ids_of(np.arange(950)), "r")
    assert compact(live).current().manifest.factory == "Flat"  # three samples fill no eight lists
    live.close()


def test_what_is_held_through_one_state_is_removed_through_none(changed: LivePool, tmp_path: Path) -> None:
    older = compact(changed)
    with older.folders.held("index-3"):
        add(older, samples(2, 2), "b")
        newer = compact(older)
        newer.remove_unused()
        assert sorted(path.name for path in tmp_path.glob("index-*")) == ["index-3", "index-5"]
    newer.remove_unused()
    assert [path.name for path in tmp_path.glob("index-*")] == ["index-5"]
    newer.close()


def test_a_copy_holds_the_compacted_index(changed: LivePool, tmp_path: Path, pool: Pool) -> None:
    live = compact(changed)
    add(live, samples(2, 2), "b")
    live.copy_to(tmp_path / "copy")
    held = contents(live.current())
    live.close()
    opened = open_live(tmp_path / "copy", served(tmp_path / "copy", pool), verify=True)
    assert contents(opened.current()) == held
    opened.close()


def test_a_journal_of_the_version_before_keeps_its_answers(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    ids = np.array([2**64 - 5, 3, 4], np.uint64)
    add(live, samples(3, 1), "a", pool_ids=ids)
    removal = remove(live, ids[:1], "r")
    live.close()
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        connection.executescript(
            "DROP TABLE compaction; ALTER TABLE pool DROP COLUMN samples_generation; PRAGMA user_version = 1; "
            'UPDATE requests SET answer = \'{"first_row": 0, "count": 3, "index_version": 2, "size": 953}\' '
            "WHERE id = 'a';"
        )
    live = open_live(tmp_path, pool, verify=True)
    assert add(live, samples(3, 1), "a").pool_ids.tolist() == ids.tolist()
    assert remove(live, ids[:1], "r") == removal
    assert compact(live).current().size == 952
    live.close()


def test_runs_and_sets_of_ids_are_what_they_were_made_of() -> None:
    ids = np.array([5, 6, 7, 3, 2**64 - 1, 0], np.uint64)
    assert to_runs(ids)[:2] == [[5, 3], [3, 1]]
    np.testing.assert_array_equal(from_runs(to_runs(ids)), ids)
    np.testing.assert_array_equal(from_runs([[-1, 1]]), ids[4:5])
    assert members(np.array([3, 4, 2**64 - 1], np.uint64), id_set(ids)).tolist() == [True, False, True]
