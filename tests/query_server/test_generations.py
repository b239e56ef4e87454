"""What is opened together is closed together where a part of it cannot be opened."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from query_server import generations
from query_server.campaigns import CampaignStore
from query_server.models import Runtime
from query_server.pool import Pool
from query_server.settings import ServeSettings


def test_an_index_is_given_back_where_worker_processes_cannot_be_started(
    digits_bundle: Path, digits_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    closed: list[str] = []
    monkeypatch.setattr(generations, "Sandbox", no_thread)
    monkeypatch.setattr(Pool, "close", lambda pool: closed.append(pool.name))
    settings = ServeSettings(bundle=digits_bundle, index=digits_index, state=tmp_path)
    with (
        closing(Runtime(device="cpu")) as runtime,
        closing(CampaignStore.open(tmp_path / "ledger.sqlite")) as campaigns,
        pytest.raises(RuntimeError, match="new thread"),
    ):
        generations.open_generation(settings, runtime, campaigns)
    assert closed == ["digits"]
