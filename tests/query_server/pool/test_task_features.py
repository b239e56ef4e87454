"""Task-aware features beside a real pool: swapped in whole, off the request path, failures and shutdown included."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from query_server.open_rows import OpenRows
from query_server.pool import Pool, TaskFeatures

Float32Array = npt.NDArray[np.float32]


def embed(x: Float32Array) -> Float32Array:
    """Two different numbers a sample: the mean of its left half and that of its right half."""
    embedded: Float32Array = np.stack([x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))], 1)
    return embedded


@pytest.fixture
def task_features(pool: Pool) -> Iterator[TaskFeatures]:
    made = TaskFeatures(lambda: pool, threads=1, campaigns=2)
    yield made
    made.close()


def finish(task_features: TaskFeatures, campaign: str) -> None:
    future = task_features.refresh(campaign, embed)
    assert future is not None
    future.result(timeout=30)


def test_neighbors_are_those_of_the_embedding(task_features: TaskFeatures, pool: Pool) -> None:
    finish(task_features, "a")
    near = task_features.current("a", 950)
    assert near is not None
    available = np.ones(pool.size, bool)
    available[::2] = False
    rows = np.array([3, 5, 8])
    distances, found, _ = near.search_available(near.features(rows), 4, OpenRows.of(available))
    embedded = embed(pool.inputs(np.arange(pool.size)))
    exact = np.linalg.norm(embedded[rows][:, None] - embedded, axis=2)
    exact[:, ~available] = np.inf
    np.testing.assert_allclose(distances, np.sort(exact, 1)[:, :4], atol=1e-4)
    assert available[found].all()


def test_an_embedding_of_one_number_serves_as_any_other(task_features: TaskFeatures, pool: Pool) -> None:
    future = task_features.refresh("a", lambda x: embed(x)[:, :1])
    assert future is not None
    future.result(timeout=30)
    near = task_features.current("a", 950)
    assert near is not None
    embedded = embed(pool.inputs(np.arange(950)))[:, 0]
    distances, _, _ = near.search_available(near.features(np.array([3])), 4, OpenRows(950))
    np.testing.assert_allclose(distances[0], np.sort(np.abs(embedded - embedded[3]))[:4], atol=1e-4)


def test_what_was_there_serves_until_the_new_features_are_whole(
    task_features: TaskFeatures, pool: Pool
) -> None:
    assert task_features.current("a", 950) is None
    finish(task_features, "a")
    before = task_features.current("a", 950)
    go_on = threading.Event()

    def slow(x: Float32Array) -> Float32Array:
        assert go_on.wait(30)
        return embed(x) * 2

    future = task_features.refresh("a", slow)
    assert future is not None
    assert task_features.current("a", 950) is before
    assert task_features.refresh("a", embed) is None  # one at a time
    go_on.set()
    future.result(timeout=30)
    after = task_features.current("a", 950)
    assert after is not None and before is not None and after is not before
    rows = np.arange(10)
    scale = np.linalg.norm(after.features(rows), axis=1) / np.linalg.norm(before.features(rows), axis=1)
    np.testing.assert_allclose(scale, 2, rtol=1e-3)


def test_a_failed_refresh_leaves_the_old_features_and_the_next_one_works(
    task_features: TaskFeatures, caplog: pytest.LogCaptureFixture
) -> None:
    finish(task_features, "a")
    before = task_features.current("a", 950)

    def broken(x: Float32Array) -> Float32Array:
        raise ValueError("out of memory, say")

    future = task_features.refresh("a", broken)
    assert future is not None
    future.result(timeout=30)
    assert task_features.current("a", 950) is before
    assert "the old ones go on serving" in caplog.text
    finish(task_features, "a")
    assert task_features.current("a", 950) is not before


def test_the_campaign_unused_for_longest_is_let_go(task_features: TaskFeatures) -> None:
    for campaign in ("a", "b"):
        finish(task_features, campaign)
    assert task_features.current("a", 950) is not None
    finish(task_features, "c")
    assert task_features.current("b", 950) is None
    assert task_features.current("a", 950) is not None and task_features.current("c", 950) is not None


def test_closing_does_not_wait_for_the_whole_pool(pool: Pool) -> None:
    task_features = TaskFeatures(lambda: pool, threads=1)
    started, go_on = threading.Event(), threading.Event()
    calls = []

    def slow(x: Float32Array) -> Float32Array:
        calls.append(len(x))
        started.set()
        assert go_on.wait(30)
        return embed(x)

    task_features.refresh("a", slow)
    assert started.wait(30)
    closing = threading.Thread(target=task_features.close)
    closing.start()
    others = (f"other-{number}" for number in itertools.count())
    while task_features.refresh(next(others), embed) is not None:  # refused from the moment it closes
        time.sleep(0.01)
    go_on.set()
    closing.join(timeout=30)
    assert not closing.is_alive() and len(calls) == 1 and task_features.current("a", 950) is None
