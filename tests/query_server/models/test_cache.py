"""The cache makes each value once and forgets what is used least."""

import threading
import time

import pytest

from query_server.models.cache import Cache


def test_a_value_is_made_once_however_many_ask_at_the_same_time():
    cache: Cache[str, object] = Cache(4)
    made = []

    def make():
        time.sleep(0.05)
        made.append(object())
        return made[-1]

    got = []
    threads = [threading.Thread(target=lambda: got.append(cache.get("key", make))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert got == made * 8


def test_the_least_recently_used_value_goes_first():
    cache: Cache[str, int] = Cache(2)
    cache.get("a", lambda: 1)
    cache.get("b", lambda: 2)
    cache.get("a", lambda: 0)
    cache.get("c", lambda: 3)
    assert cache.get("a", lambda: -1) == 1
    assert cache.get("b", lambda: -1) == -1


def test_a_failure_is_not_kept():
    cache: Cache[str, int] = Cache(2)

    def fail():
        raise OSError("no")

    with pytest.raises(OSError):
        cache.get("a", fail)
    assert cache.get("a", lambda: 5) == 5
