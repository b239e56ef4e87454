"""Fixtures of the tests that talk to the shared server: a client, a campaign of their own, an uploaded classifier."""

from __future__ import annotations

import uuid

import pytest
from processes import start_server, stop_server

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
