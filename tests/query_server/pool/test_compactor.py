"""The thread that compacts: what it holds meanwhile, and when it gives up. What it builds here is a folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from live_pools import DIGEST, add, encode, open_live, remove, samples

from query_server.compaction import Build, Compactor, Due
from query_server.errors import DowserError, Reason
from query_server.pool import LivePool, Moment, Pool
from query_server.serving import Generation, Serving

NEVER = Due(part=0.0, least=1, most_added=1000)


def generation(live: LivePool) -> Generation:
    """One that holds nothing but its pool."""
    nothing = cast(Any, None)
    return Generation(
        bundle=nothing,
        live=live,
        classifiers=nothing,
        sandbox=nothing,
        sandbox_users=nothing,
        selection=nothing,
        remote_scoring=nothing,
        augmentation=nothing,
        index_dir=Path(),
        index_digest="",
        close=live.remove_unused,
    )


@pytest.fixture
def serving(tmp_path: Path, pool: Pool) -> Iterator[Serving]:
    """950 samples, 30 added, 3 removed."""
    live = open_live(tmp_path, pool)
    add(live, samples(30, 1), "a")
    remove(live, pool.ids_of(np.array([0, 7, 949])), "r")
    serving = Serving(generation(live))
    yield serving
    serving.close()


@pytest.fixture(scope="module")
def other_pool(images, tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """The same samples in another index."""
    out = tmp_path_factory.mktemp("other") / "index"
    images.build(out, factory="IVF8,Flat")
    return Pool.open(out, expected_bundle_digest=DIGEST)


@contextmanager
def compactor(serving: Serving, build: Build) -> Iterator[Compactor]:
    def open_next(old: Generation, moment: Moment, folder: str) -> Generation:
        raise AssertionError("nothing was built")

    made = Compactor(serving, build=build, open_next=open_next, due=NEVER)
    made.begin()
    try:
        yield made
    finally:
        made.close()


def test_what_is_built_is_held_until_it_is_named_whoever_tidies_up(serving: Serving, tmp_path: Path) -> None:
    there = []

    def build(_: Generation, moment: Moment, folder: str, checkpoint: Callable[[], None]) -> None:
        (tmp_path / folder).mkdir()
        with serving.use() as other:
            other.live.remove_unused()  # as a generation does that is closed meanwhile
        there.append((tmp_path / folder).exists())
        raise DowserError(Reason.STORAGE_FULL, "enough")

    with compactor(serving, build) as made, pytest.raises(DowserError, match="enough"):
        made.compact(lambda stage: None)
    assert there == [True]
    assert list(tmp_path.glob("index-*")) == []


def test_overtaken_by_another_index_it_gives_up_before_it_has_built_its_own(
    serving: Serving, other_pool: Pool
) -> None:
    went_on = []

    def build(_: Generation, moment: Moment, folder: str, checkpoint: Callable[[], None]) -> None:
        checkpoint()
        serving.replace(lambda old: generation(old.live.rebased(other_pool, encode=encode, encoder="one")))
        checkpoint()
        went_on.append(True)

    with compactor(serving, build) as made, pytest.raises(DowserError, match="index or encoder took over"):
        made.compact(lambda stage: None)
    assert not went_on


def test_given_up_as_the_server_stops_it_says_so_and_counts_as_no_failure(serving: Serving) -> None:
    at_work = threading.Event()

    def build(_: Generation, moment: Moment, folder: str, checkpoint: Callable[[], None]) -> None:
        while True:
            at_work.set()
            checkpoint()

    with compactor(serving, build) as made:
        closing = threading.Thread(target=lambda: (at_work.wait(), made.close()))
        closing.start()
        with pytest.raises(DowserError, match="the server is stopping") as refused:
            made.compact(lambda stage: None)
        closing.join()
    assert refused.value.reason is Reason.UNAVAILABLE
    assert made.counts.failed == 0
