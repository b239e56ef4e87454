"""A server whose worker processes are taken down goes on serving, over the wire."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from benchmarks.hostile import growth, running
from benchmarks.hostile.making import Maker
from client import Client, RandomSubset
from client.errors import DowserError, FailedPreconditionError

MAKER = Maker(shape=(1, 8, 8), classes=10)
STRATEGY = RandomSubset(max_scored=300)


@pytest.fixture
def busy(own_server, classifier_bytes):
    """A server with little patience, a client, and a sound classifier."""
    server = own_server("--workers", 2, "--worker-job-seconds", 2, "--worker-memory-bytes", 2**29)
    with Client.connect(server.target) as client:
        client.create_campaign("mine")
        yield server, client, client.upload_classifier(classifier_bytes).classifier_id


def select(client, campaign, classifier):
    return client.select_samples(campaign, budget=5, classifier=classifier, strategy=STRATEGY).pool_ids


def test_a_classifier_that_breaks_its_worker_fails_its_own_call_alone(busy):
    server, client, sound = busy
    client.create_campaign("theirs")
    makers = (growth.sixteen_million_numbers_a_sample, growth.products_that_grow_with_the_cube_of_the_batch)
    for make, what in zip(makers, ("memory", "deadline"), strict=True):
        hostile = client.upload_classifier(make(MAKER)).classifier_id
        with pytest.raises(FailedPreconditionError) as refused:
            select(client, "theirs", hostile)
        assert (refused.value.reason, refused.value.metadata["what"]) == ("CLASSIFIER_FAILED", what)
        assert len(select(client, "mine", sound)) == 5
    assert server.process.poll() is None


def test_a_classifier_without_numbers_is_said_to_have_none(busy):
    _, client, _ = busy
    hostile = client.upload_classifier(running.logits_that_are_no_numbers(MAKER)).classifier_id
    with pytest.raises(DowserError) as refused:
        select(client, "mine", hostile)
    assert refused.value.reason == "NOT_FINITE"


def test_workers_that_are_killed_are_replaced(busy):
    server, client, sound = busy
    for _ in range(3):
        for pid in workers_of(server.process.pid):
            os.kill(pid, signal.SIGKILL)
        assert len(select(client, "mine", sound)) == 5


def workers_of(server: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            words = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == server and b"sandbox.worker" in words:
            found.append(int(stat.parent.name))
    return found
