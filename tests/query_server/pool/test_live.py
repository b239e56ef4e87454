import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_pools import Named, add, contents, encode, open_live, other_encode, raw_contents, remove, samples
from refusals import refused

from query_server.errors import DowserError, Reason
from query_server.open_rows import OpenRows
from query_server.pool import LivePool, Pool
from query_server.pool.ids import PoolIds
from query_server.pool.segments import Added


@pytest.fixture
def live(tmp_path: Path, pool: Pool):
    opened = open_live(tmp_path / "live", pool)
    yield opened
    opened.close()


def test_nothing_added_is_the_index_itself(live: LivePool, pool: Pool) -> None:
    state = live.current()
    assert (state.size, state.rows, state.added, state.removed) == (950, 950, 0, 0)
    assert state.index_version == pool.index_version
    assert contents(state) == contents(pool)


def test_added_samples_are_in_the_state_of_the_version_named_and_not_in_those_before(live: LivePool) -> None:
    before = live.current()
    new = samples(5, 1)
    added = add(live, new, "a", pool_ids=np.array([3, 1, 4, 15, 9], np.uint64))
    state = live.current()
    assert added.pool_ids.tolist() == [3, 1, 4, 15, 9]
    assert (added.index_version, added.size) == (state.index_version, state.size) == (2, 955)
    rows = state.rows_of(added.pool_ids)
    assert rows.tolist() == [950, 951, 952, 953, 954]
    np.testing.assert_array_equal(state.raw(rows), new)
    np.testing.assert_array_equal(state.inputs(rows), state.preprocessing.to_input(new))
    np.testing.assert_array_equal(state.ids_of(rows[::-1]), added.pool_ids[::-1])
    assert state.search(encode(state.inputs(rows)), 1)[1][:, 0].tolist() == rows.tolist()
    assert before.rows_of(added.pool_ids).tolist() == [-1] * 5
    assert before.size == len(before.alive()) == 950


def test_ids_are_assigned_after_the_largest_ever_held(live: LivePool, pool: Pool) -> None:
    largest = int(pool.ids_of(np.arange(950)).max())
    first = add(live, samples(2, 1), "a").pool_ids.tolist()
    assert first == [largest + 1, largest + 2]
    remove(live, first, "r")
    assert add(live, samples(1, 2), "b").pool_ids.tolist() == [largest + 3]


def test_no_id_follows_the_largest_there_is(live: LivePool) -> None:
    add(live, samples(1, 1), "a", pool_ids=np.array([2**64 - 1], np.uint64))
    with refused(Reason.INVALID_ARGUMENT):
        add(live, samples(1, 2), "b")


def test_removed_samples_are_found_by_no_search_and_no_id(live: LivePool, pool: Pool) -> None:
    added = add(live, samples(20, 1), "a").pool_ids
    gone = np.concatenate([pool.ids_of(np.array([0, 7, 949])), added[::2]])
    removal = remove(live, gone, "r")
    state = live.current()
    assert (removal.removed, removal.index_version, removal.size) == (13, state.index_version, state.size)
    assert (state.size, state.rows, state.added, state.removed) == (957, 970, 10, 13)
    assert (state.rows_of(gone) == -1).all()
    assert not set(gone.tolist()) & set(contents(state))
    queries = np.concatenate(
        [pool.features(np.array([0, 7, 949])), encode(state.inputs(np.arange(950, 970)))]
    )
    _, found = state.search(queries, 2000)
    assert found.shape == (23, 957)
    assert state.alive()[found].all()
    _, found, _ = state.search_available(queries, 3, OpenRows(970))
    assert state.alive()[found].all()


def test_removing_again_changes_nothing(live: LivePool, pool: Pool) -> None:
    gone = pool.ids_of(np.array([5]))
    first = remove(live, gone, "r")
    second = remove(live, gone, "s")
    assert (second.removed, second.index_version, second.size) == (0, first.index_version, first.size)


def test_a_pool_may_be_emptied(live: LivePool, pool: Pool) -> None:
    remove(live, pool.ids_of(np.arange(950)), "r")
    state = live.current()
    distances, rows = state.search(pool.features(np.array([0, 1])), 5)
    assert state.size == 0 and distances.shape == rows.shape == (2, 0)
    added = add(live, samples(1, 1), "a")
    assert added.size == 1
    assert live.current().search(pool.features(np.array([0])), 5)[1].tolist() == [[950]]


@pytest.mark.parametrize("pool_ids", [[7, 7], [7], [7, 8, 9]])
def test_ids_must_be_distinct_and_one_a_sample(live: LivePool, pool_ids: list[int]) -> None:
    with refused(Reason.INVALID_ARGUMENT):
        add(live, samples(2, 1), "a", pool_ids=np.array(pool_ids, np.uint64))


def test_an_id_is_never_used_twice(live: LivePool, pool: Pool) -> None:
    mine = add(live, samples(2, 1), "a", pool_ids=np.array([7, 8], np.uint64)).pool_ids
    remove(live, mine[:1], "r")
    for taken in (7, 8, int(pool.ids_of(np.array([3]))[0])):
        with pytest.raises(DowserError) as caught:
            add(live, samples(2, 2), f"b{taken}", pool_ids=np.array([100, taken], np.uint64))
        assert caught.value.reason is Reason.POOL_ID_EXISTS
        assert caught.value.metadata == {"pool_id": str(taken), "existing": "1"}
    assert live.current().rows_of(np.array([100], np.uint64)).tolist() == [-1]


def test_an_unknown_id_removes_nothing(live: LivePool, pool: Pool) -> None:
    known = int(pool.ids_of(np.array([3]))[0])
    with refused(Reason.POOL_ID_NOT_FOUND):
        remove(live, [known, 1], "r")
    assert live.current().size == 950


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (samples(2, 1)[:, :7], "raw", Reason.SHAPE_MISMATCH),
        (samples(2, 1).astype(np.float32), "raw", Reason.INVALID_ARGUMENT),
        (samples(0, 1), "raw", Reason.INVALID_ARGUMENT),
        (np.zeros((2, 6), np.float32), "features", Reason.INVALID_ARGUMENT),
    ],
)
def test_what_does_not_fit_the_pool_is_refused(live: LivePool, values, kind, reason) -> None:
    with refused(reason):
        add(live, values, "a", kind=kind)


def test_features_that_are_not_finite_are_refused(tmp_path: Path, pool: Pool) -> None:
    def broken(x):
        features = encode(x)
        features[1] = np.nan
        return features

    live = open_live(tmp_path, pool, encode=broken)
    with pytest.raises(DowserError) as caught:
        add(live, samples(3, 1), "a")
    assert (caught.value.reason, caught.value.metadata["index"]) == (Reason.NOT_FINITE, "1")
    live.close()


def test_more_than_may_be_added_in_all_is_refused(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool, max_added=10)
    add(live, samples(6, 1), "a")
    with refused(Reason.POOL_FULL):
        add(live, samples(5, 2), "b")
    add(live, samples(4, 3), "c")
    live.close()


def test_one_request_id_is_one_write(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    added = add(live, samples(3, 1), "a")
    removed = remove(live, added.pool_ids[:1], "r")
    for _ in range(2):  # before and after a restart
        again = add(live, samples(3, 1), "a")
        assert again.pool_ids.tolist() == added.pool_ids.tolist()
        assert (again.index_version, again.size) == (added.index_version, added.size)
        assert remove(live, added.pool_ids[:1], "r") == removed
        with refused(Reason.REQUEST_ID_REUSED):
            live.remove(added.pool_ids, Named(id="a", method="remove"))
        live.close()
        live = open_live(tmp_path, pool)
    assert live.current().size == 952
    live.close()


def test_a_duplicate_in_flight_gets_the_answer_of_the_first(tmp_path: Path, pool: Pool) -> None:
    both = threading.Barrier(2)

    def encode_together(x):
        both.wait(30)
        return encode(x)

    live = open_live(tmp_path, pool, encode=encode_together)
    with ThreadPoolExecutor(2) as threads:
        calls = [threads.submit(add, live, samples(3, 1), "a") for _ in range(2)]
        answers = [call.result().pool_ids.tolist() for call in calls]
    assert answers[0] == answers[1]
    assert live.current().size == 953
    live.close()


def test_a_caller_who_left_changes_nothing(live: LivePool) -> None:
    def gone(stage: str) -> None:
        if stage == "commit":
            raise DowserError(Reason.CANCELLED, "gone")

    with refused(Reason.CANCELLED):
        add(live, samples(3, 1), "a", checkpoint=gone)
    assert live.current().size == 950
    assert add(live, samples(3, 1), "a").size == 953


def test_reopened_it_is_what_it_was(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    first = add(live, samples(30, 1), "a").pool_ids
    add(live, samples(20, 2), "b", pool_ids=np.arange(20, dtype=np.uint64))
    remove(live, np.concatenate([first[:4], pool.ids_of(np.array([2, 3])), [np.uint64(5)]]), "r")
    before = live.current()
    live.close()
    live = open_live(tmp_path, pool, verify=True)
    after = live.current()
    assert contents(after) == contents(before)
    assert (after.index_version, after.size, after.rows) == (4, before.size, before.rows)
    np.testing.assert_array_equal(after.alive(), before.alive())
    live.close()


@pytest.fixture
def bare_pool(pool: Pool) -> Pool:
    """The same pool without its samples."""
    bare = copy.copy(pool)
    bare._store, bare.has_samples = None, False
    return bare


@pytest.mark.parametrize("kind", ["features", "raw"])
def test_a_pool_without_samples_keeps_features_alone(tmp_path: Path, bare_pool: Pool, kind: str) -> None:
    live = open_live(tmp_path, bare_pool)
    values = samples(3, 1)
    features = encode(bare_pool.preprocessing.to_input(values))
    added = add(live, features if kind == "features" else values, "a", kind=kind).pool_ids
    with refused(Reason.SHAPE_MISMATCH):
        add(live, features[:, :5], "b", kind="features")
    live.close()
    assert not (tmp_path / "samples.bin").exists()
    live = open_live(tmp_path, bare_pool, verify=True)
    state = live.current()
    rows = state.rows_of(added)
    np.testing.assert_allclose(state.features(rows), features, rtol=1e-6)
    assert state.search(features, 1)[1][:, 0].tolist() == rows.tolist()
    live.close()


def test_features_are_refused_beside_raw_samples_that_were_added(
    tmp_path: Path, pool: Pool, bare_pool: Pool
) -> None:
    live = open_live(tmp_path, pool)
    add(live, samples(3, 1), "a")
    beside = live.rebased(bare_pool, encode=encode, encoder="one")
    values = samples(2, 2)
    with refused(Reason.INVALID_ARGUMENT):
        add(beside, encode(pool.preprocessing.to_input(values)), "b", kind="features")
    assert add(beside, values, "c").size == 955
    live.close()
    live = open_live(tmp_path, pool, verify=True)
    state = live.current()
    np.testing.assert_array_equal(state.raw(state.rows_of(state.ids_of(np.array([953, 954])))), values)
    live.close()


def test_features_of_another_encoder_are_refused_with_what_to_do(
    tmp_path: Path, bare_pool: Pool, pool: Pool
) -> None:
    live = open_live(tmp_path, bare_pool)
    add(live, np.zeros((3, 6), np.float32), "a", kind="features")
    with pytest.raises(DowserError, match=r"another encoder.*move this directory away"):
        live.rebased(bare_pool, encode=other_encode, encoder="other")
    assert add(live, np.ones((1, 6), np.float32), "b", kind="features").size == 954
    live.close()
    with pytest.raises(DowserError, match=r"keeps raw samples.*move this directory away"):
        open_live(tmp_path, pool)


@pytest.fixture(scope="module")
def larger_pool(images, tmp_path_factory: pytest.TempPathFactory, digest: str) -> Pool:
    """The same pool with what test_a_rebuilt_index adds built into it: ids 0 to 9."""
    file = tmp_path_factory.mktemp("larger") / "images.npz"
    np.savez(
        file,
        x=np.concatenate([images.samples, samples(10, 1)]),
        pool_ids=np.concatenate([images.pool_ids, np.arange(10, dtype=np.uint64)]),
    )
    type(images)(path=file, samples=images.samples, pool_ids=images.pool_ids).build(file.parent / "index")
    return Pool.open(file.parent / "index", expected_bundle_digest=digest)


@pytest.mark.parametrize("restart", [False, True])
def test_a_rebuilt_index_takes_over_what_it_holds_and_nothing_comes_back(
    tmp_path: Path, pool: Pool, larger_pool: Pool, restart: bool
) -> None:
    live = open_live(tmp_path, pool)
    add(live, samples(10, 1), "a", pool_ids=np.arange(10, dtype=np.uint64))
    add(live, samples(5, 2), "b", pool_ids=np.arange(10, 15, dtype=np.uint64))
    remove(live, np.concatenate([pool.ids_of(np.array([4])), [np.uint64(3), np.uint64(12)]]), "r")
    before = live.current()
    if restart:
        live.close()
        live = open_live(tmp_path, larger_pool)
    else:
        live = live.rebased(larger_pool, encode=encode, encoder="one")
    state = live.current()
    assert raw_contents(state) == raw_contents(before)
    assert state.index_version > before.index_version
    assert (state.size, state.added, state.removed) == (962, 4, 3)
    assert state.rows_of(np.array([0, 3, 10, 12], np.uint64)).tolist() == [950, -1, 970, -1]
    assert len(set(state.search(state.features(np.array([0])), 2000)[1][0].tolist())) == 962
    live.close()


def test_going_back_to_the_older_index_loses_nothing(tmp_path: Path, pool: Pool, larger_pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    add(live, samples(10, 1), "a", pool_ids=np.arange(10, dtype=np.uint64))
    there = live.rebased(larger_pool, encode=encode, encoder="one")
    back = there.rebased(pool, encode=encode, encoder="one")
    assert raw_contents(back.current()) == raw_contents(live.current())
    versions = [one.current().index_version for one in (live, there, back)]
    assert versions == sorted(set(versions))
    back.close()


def test_what_was_replaced_still_reads_and_no_longer_writes(
    tmp_path: Path, pool: Pool, larger_pool: Pool
) -> None:
    live = open_live(tmp_path, pool)
    add(live, samples(10, 1), "a", pool_ids=np.arange(10, dtype=np.uint64))
    before = contents(live.current())
    new = live.rebased(larger_pool, encode=other_encode, encoder="other")
    assert contents(live.current()) == before
    with refused(Reason.UNAVAILABLE):
        add(live, samples(1, 3), "b")
    assert add(new, samples(1, 3), "b").size == 961
    new.close()


def test_another_encoder_encodes_the_added_samples_anew(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    added = add(live, samples(1500, 1), "a").pool_ids
    live.close()
    for _ in range(2):
        live = open_live(tmp_path, pool, encode=other_encode, encoder="other", verify=True)
        state = live.current()
        rows = state.rows_of(added)
        np.testing.assert_allclose(state.features(rows), other_encode(state.inputs(rows)), rtol=1e-5)
        live.close()
    assert [path.name for path in tmp_path.glob("*.bin")].count("features-2.bin") == 1
    assert not (tmp_path / "features-1.bin").exists()


def test_an_encoder_that_fails_leaves_the_old_features(tmp_path: Path, pool: Pool) -> None:
    live = open_live(tmp_path, pool)
    add(live, samples(5, 1), "a")
    before = contents(live.current())

    def broken(x):
        return np.full((len(x), 6), np.nan, np.float32)

    with refused(Reason.NOT_FINITE):
        live.rebased(pool, encode=broken, encoder="broken")
    assert add(live, samples(1, 2), "b").size == 956
    live.close()
    live = open_live(tmp_path, pool, verify=True)
    assert before.items() <= contents(live.current()).items()
    live.close()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_search_over_both_parts_is_the_brute_force_one(pool: Pool, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    count = data.draw(st.integers(1, 80))
    near = pool.features(rng.integers(0, 950, count)) + rng.normal(0, 20, (count, 6)).astype(np.float32)
    added = Added(features=near, samples=samples(count, 1), ids=PoolIds(np.arange(count, dtype=np.uint64)))
    alive = rng.random(950 + count) < data.draw(st.sampled_from([0.0, 0.02, 0.5, 0.9, 1.0]))
    available = rng.random(950 + count) < data.draw(st.sampled_from([0.0, 0.02, 0.5, 1.0]))
    state = pool.changed(added=added, alive=alive, removed=0, index_version=9)
    features = np.concatenate([pool.features(np.arange(950)), near])
    queries = features[rng.integers(0, len(features), 3)] + rng.normal(0, 5, (3, 6)).astype(np.float32)
    k = data.draw(st.one_of(st.integers(1, 30), st.integers(1, 1100)))

    def check(found_distances, found_rows, allowed, queries=queries) -> None:
        distances = np.sqrt(((queries[:, None].astype(np.float64) - features[None]) ** 2).sum(2))  # [3, R]
        width = min(k, state.size)
        expected = np.sort(np.where(allowed, distances, np.inf), axis=1)[:, :width]
        np.testing.assert_allclose(found_distances, expected, rtol=1e-3, atol=0.5)
        assert found_distances.shape == found_rows.shape == (3, width)
        for row in found_rows:
            real = row[row >= 0]
            assert len(set(real.tolist())) == len(real) == min(width, int(allowed.sum()))
            assert allowed[real].all()

    check(*state.search(queries, k), alive)
    check(*state.search_available(queries, k, OpenRows.of(available))[:2], alive & available)
    rows = rng.integers(0, len(features), 3)
    for _ in range(2):
        found = state.search_around(rows, k, OpenRows.of(available))
        check(found.distances, found.rows, alive & available, queries=features[rows])
