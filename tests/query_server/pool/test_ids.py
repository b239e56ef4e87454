import numpy as np
import numpy.typing as npt
import pytest

from query_server.pool.ids import PoolIds, order_of, rows_by_id

UInt64Array = npt.NDArray[np.uint64]


@pytest.fixture(params=["identity", "ascending", "shuffled", "shuffled identity", "one"])
def ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> UInt64Array:
    monkeypatch.setattr("query_server.pool.ids._BLOCK", 7)  # several blocks
    identity = np.arange(100, dtype=np.uint64)
    shuffle = np.random.default_rng(0).permutation(100)
    return {
        "identity": identity,
        "ascending": identity * np.uint64(5) + np.uint64(2**63),
        "shuffled": (identity * np.uint64(5) + np.uint64(2**63))[shuffle],
        "shuffled identity": identity[shuffle],
        "one": np.array([2**64 - 1], dtype=np.uint64),
    }[request.param]


def test_rows_of_is_the_inverse_of_the_ids(ids: UInt64Array) -> None:
    rows = np.random.default_rng(1).permutation(len(ids))
    assert np.array_equal(PoolIds(ids).rows_of(ids[rows]), rows)
    assert np.array_equal(PoolIds(ids).ids_of(rows), ids[rows])


def test_ids_whose_order_is_known_need_not_be_read_to_find_it(
    ids: UInt64Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, by_id = order_of(ids), rows_by_id(ids)
    monkeypatch.setattr("query_server.pool.ids.order_of", None)  # nothing to be called
    monkeypatch.setattr("query_server.pool.ids.rows_by_id", None)
    known = PoolIds(ids, order, by_id)
    rows = np.random.default_rng(1).permutation(len(ids))
    assert np.array_equal(known.rows_of(ids[rows]), rows)
    assert known.largest() == int(ids.max())
    assert known.rows_of(np.empty(0, np.uint64)).shape == (0,)


def test_ids_the_pool_does_not_hold_have_the_row_minus_one(ids: UInt64Array) -> None:
    held = set(ids.tolist())
    near = [(value + step) % 2**64 for value in held for step in (-1, 1)]
    unknown = [value for value in [*near, 2**63 - 1, 2**64 - 2] if value not in held]
    assert set(PoolIds(ids).rows_of(np.array(unknown, dtype=np.uint64)).tolist()) == {-1}
