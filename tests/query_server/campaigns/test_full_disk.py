from __future__ import annotations

import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from query_server.campaigns import CampaignStore, Label, Request
from query_server.errors import DowserError, Reason
from query_server.files import write_durably


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow: every write fails as on a full disk (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_write_to_a_full_disk_is_refused_and_can_be_sent_again(
    open_store: Callable[[], CampaignStore], request_of: Callable[..., Request], ids: Callable[..., list[int]]
) -> None:
    store = open_store()
    store.create("c", "digits", 0, request_of())
    labels, request = [Label(pool_id=int(ids(1)[0]), label=3)], request_of()
    with full_disk(), pytest.raises(DowserError) as caught:
        store.record_labels("c", labels, request)
    assert caught.value.reason is Reason.STORAGE_FULL
    assert "nothing was changed" in caught.value.message
    assert store.get("c").labeled == 0
    assert store.record_labels("c", labels, request).recorded == 1
    assert open_store().get("c").labeled == 1


def test_a_file_that_finds_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(DowserError) as caught:
        write_durably(tmp_path / "classifier", b"x" * 100)
    assert caught.value.reason is Reason.STORAGE_FULL
    assert list(tmp_path.iterdir()) == []
