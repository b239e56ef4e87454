"""Servers that tests share, with samples and without, and servers of their own; a client, a campaign, a classifier."""

from __future__ import annotations

import uuid

import pytest
from processes import start_server, stop_server, succeed

from client import Client


@pytest.fixture
def client(server):
    with Client.connect(server.target) as connected:
        yield connected


@pytest.fixture
def campaign(client):
    return client.create_campaign(f"test-{uuid.uuid4().hex}").campaign_id


@pytest.fixture(scope="session")
def classifier(server, classifier_bytes):
    with Client.connect(server.target) as connected:
        return connected.upload_classifier(classifier_bytes).classifier_id


@pytest.fixture
def own_server(digits_bundle, digits_index, tmp_path):
    """Starts servers of a test's own, to be stopped or killed by it."""
    started = []

    def start(*options, state=None, bundle=digits_bundle):
        running = start_server(bundle, digits_index, state or tmp_path / "state", *options)
        started.append(running)
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            stop_server(running)


@pytest.fixture(scope="session")
def storeless_index(digits, digits_bundle, tmp_path_factory):
    index = tmp_path_factory.mktemp("storeless") / "digits"
    options = ("--bundle", digits_bundle, "--pool", digits.pool_file, "--out", index, "--name", "digits")
    succeed("dowser-server", "index", "build", *options, "--no-samples")
    return index


@pytest.fixture(scope="session")
def storeless(digits_bundle, storeless_index, tmp_path_factory):
    """A client of a server that holds the features of the digits alone."""
    running = start_server(digits_bundle, storeless_index, tmp_path_factory.mktemp("storeless") / "state")
    with Client.connect(running.target) as connected:
        yield connected
    assert stop_server(running) == 0


@pytest.fixture
def remote_campaign(storeless):
    return storeless.create_campaign(f"test-{uuid.uuid4().hex}", seed=5).campaign_id


@pytest.fixture(scope="session")
def remote_classifier(storeless, classifier_bytes):
    return storeless.upload_classifier(classifier_bytes)
