from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pool_states import StubPool

from query_server.campaigns import CampaignStore, Request

POOL_SIZE = 50
OFFSET = 2**63 + 1000  # ids above int64: what is stored must come back losslessly

UInt64Array = npt.NDArray[np.uint64]


class Served:
    """The served pool: hand `current` another state, and samples have come or gone."""

    def __init__(self) -> None:
        self.current = self.without()

    def without(self, *removed: int) -> StubPool:
        return StubPool(POOL_SIZE, offset=OFFSET, removed=removed)


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def ids() -> Callable[..., UInt64Array]:
    """Pool ids of rows."""
    return lambda *rows: np.array(rows, dtype=np.uint64) + np.uint64(OFFSET)


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def open_store(ledger_path: Path, served: Served) -> Iterator[Callable[..., CampaignStore]]:
    """Opens the ledger; what it had opened before is closed first, as by a restart."""
    opened: list[CampaignStore] = []

    def reopen(**settings: Any) -> CampaignStore:
        if opened:
            opened.pop().close()
        opened.append(CampaignStore.open(ledger_path, **settings))
        opened[-1].register_pool("digits", lambda: served.current)
        return opened[-1]

    yield reopen
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], CampaignStore]) -> CampaignStore:
    return open_store()


@pytest.fixture
def request_of() -> Callable[..., Request]:
    count = iter(range(1_000_000))

    def make(id: str = "", method: str = "any", fingerprint: bytes = b"same") -> Request:
        return Request(id=id or f"request-{next(count)}", method=method, fingerprint=fingerprint)

    return make
