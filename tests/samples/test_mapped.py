"""What is read ahead of a mapped file, and that it is harmless wherever nothing is mapped."""

import mmap

import numpy as np
import pytest

from samples.mapped import expect_rows, gathered


class _Asked(mmap.mmap):
    """A map that notes what it is advised."""

    def madvise(self, *advice):  # type: ignore[no-untyped-def]
        self.advice = [*getattr(self, "advice", []), advice]
        return super().madvise(*advice)


def _over(mapped, offset):
    return np.ndarray((5000, 784), np.uint8, buffer=mapped, offset=offset)


@pytest.mark.parametrize("offset", [0, 128])
def test_every_row_lies_in_what_is_asked_for(tmp_path, offset):
    rng = np.random.default_rng(0)
    path = tmp_path / "rows"
    path.write_bytes(rng.bytes(offset + 784 * 5000))
    with path.open("rb") as file:
        mapped = _Asked(file.fileno(), 0, access=mmap.ACCESS_READ)
    array = _over(mapped, offset)
    rows = np.sort(rng.choice(5000, 60, replace=False))
    expect_rows(array, rows)
    covered = [range(start, start + length) for _, start, length in mapped.advice]
    assert {advice for advice, _, _ in mapped.advice} == {mmap.MADV_WILLNEED}
    for row in rows.tolist():
        first, last = offset + 784 * row, offset + 784 * (row + 1) - 1
        assert any(first in asked and last in asked for asked in covered)
    assert all(asked.stop <= len(mapped) for asked in covered)


def test_rows_that_lie_together_are_left_to_read_ahead(tmp_path):
    path = tmp_path / "rows"
    path.write_bytes(bytes(784 * 5000))
    with path.open("rb") as file:
        mapped = _Asked(file.fileno(), 0, access=mmap.ACCESS_READ)
    expect_rows(_over(mapped, 0), np.arange(100, 1100))
    assert not hasattr(mapped, "advice")


def test_an_array_in_memory_needs_nothing():
    expect_rows(np.zeros((10, 3)), np.array([1, 5]))


@pytest.mark.parametrize("large", [1, 2**40])
def test_gathered_rows_are_those_of_the_array(tmp_path, monkeypatch, large):
    monkeypatch.setattr("samples.mapped._LARGE_BYTES", large)
    array = np.random.default_rng(0).standard_normal((5000, 50)).astype(np.float32)
    np.save(tmp_path / "rows.npy", array)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    rows = np.array([4999, 0, 17, 17, 2500])
    for source in (array, mapped):
        np.testing.assert_array_equal(gathered(source, rows), array[rows])
