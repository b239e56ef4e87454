"""A server to be attacked, and what a fuzzed call knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import RunningServer, start_server, stop_server

from benchmarks.fuzz.messages import Hints
from client import Client


@pytest.fixture(scope="module")
def attacked(digits_bundle: Path, digits_index: Path, tmp_path_factory: pytest.TempPathFactory):
    limits = ("--stream-idle-seconds", 2, "--caller-requests-per-second", 0, "--log-level", "WARNING")
    running = start_server(digits_bundle, digits_index, tmp_path_factory.mktemp("fuzz") / "state", *limits)
    yield running
    assert stop_server(running) == 0


@pytest.fixture(scope="module")
def hints(attacked: RunningServer, classifier_bytes: bytes) -> Hints:
    with Client.connect(attacked.target) as client:
        uploaded = client.upload_classifier(classifier_bytes).classifier_id
        client.create_campaign("known")
    return Hints(
        strings={"campaign_id": ("known",), "classifier_id": (uploaded,), "pool": ("", "digits")},
        pool_size=1297,
    )
