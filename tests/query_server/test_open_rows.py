"""Open rows against a plain mask."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from query_server.open_rows import OpenRows


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.booleans(), st.floats(0, 1), st.floats(0, 1))
def test_open_rows_are_those_of_the_mask(size, seed, some_removed, closed_part, removed_part):
    rng = np.random.default_rng(seed)
    alive = rng.random(size) >= removed_part if some_removed else None
    closed = rng.integers(0, size, int(closed_part * size))
    expected = np.ones(size, bool) if alive is None else alive.copy()
    expected[closed] = False
    open_ = OpenRows(size, closed, alive=alive)

    def check(found, mask):
        assert len(found) == len(mask)
        assert found.count == mask.sum()
        np.testing.assert_array_equal(found.mask(), mask)
        np.testing.assert_array_equal(found.rows(), np.flatnonzero(mask))
        asked = rng.integers(0, len(mask), (3, 5)) if len(mask) else np.empty((3, 0), np.int64)
        np.testing.assert_array_equal(found[asked], mask[asked])

    check(open_, expected)
    check(OpenRows.of(expected), expected)
    copied, before = open_.copy(), expected.copy()
    more = rng.permutation(np.flatnonzero(expected))[:7]
    for part in np.array_split(more, 3):
        open_.close(part)
    expected[more] = False
    check(open_, expected)
    check(copied, before)
    first, stop = sorted(rng.integers(0, size + 1, 2).tolist())
    count = stop - first if alive is None else int(alive[first:stop].sum())
    check(open_.part(first, stop, alive_count=count), expected[first:stop])
    living = rng.random(size) < 0.5
    check(open_.among(living, int(living.sum())), expected & living)


def test_what_shares_the_removed_rows_is_not_made_anew():
    alive = np.array([True, False, True])
    open_ = OpenRows(3, np.array([2]), alive=alive, alive_count=2)
    assert open_.among(alive, 2) is open_
