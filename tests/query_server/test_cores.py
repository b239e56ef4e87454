"""Who computes at the same time shares the threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from query_server.cores import share
from query_server.models import Runtime


def test_everyone_gets_an_equal_part_of_the_threads_and_one_at_least():
    with share(4) as alone:
        with share(4) as second, share(4) as third, share(1) as fourth:
            assert (alone, second, third, fourth) == (4, 2, 1, 1)
        with share(4) as later:
            assert later == 2


def test_threads_are_given_back_by_work_that_fails():
    with pytest.raises(ValueError, match="bad"), share(4):
        raise ValueError("bad")
    with share(4) as alone:
        assert alone == 4


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_a_batch_is_cut_alike_however_many_parts_run_at_a_time(at_once):
    runtime = Runtime(device="cpu", threads=4)
    runtime.at_once = at_once
    busy, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(at_once)

    def work(part):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        together.wait(10)
        with lock:
            busy -= 1
        return part.tolist()

    try:
        parts = runtime.spread(work, np.arange(18))
    finally:
        runtime.close()
    assert parts == [[*range(0, 4)], [*range(4, 9)], [*range(9, 13)], [*range(13, 18)]]
    assert most == at_once


def test_small_batches_are_not_cut_into_crumbs():
    runtime = Runtime(device="cpu", threads=8)
    try:
        assert [len(part) for part in runtime.spread(lambda part: part, np.arange(9))] == [3, 3, 3]
        assert len(runtime.spread(lambda part: part, np.arange(4))) == 1
    finally:
        runtime.close()
