"""Fixtures of the tests that talk to the shared server: a client, a campaign of their own, an uploaded classifier."""

from __future__ import annotations

import uuid

import pytest

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
