"""A process that writes in every way until it is killed, and prints what was acknowledged.

Step n of life l labels three samples of its own, corrects the first, retracts the second, leases and extends a fourth,
and imports a campaign. Each write has a request id made of its kind, life and step, so that it can be sent again.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from pool_states import StubPool

from query_server.campaigns import (
    Answer,
    CampaignContent,
    CampaignStore,
    Change,
    Label,
    LabelEvent,
    Request,
)

PER_STEP = 4
KINDS = ("label", "correct", "retract", "lease", "extend", "import")


def write(store: CampaignStore, kind: str, life: int, step: int) -> object:
    """Do one write of a step and return its answer."""
    first = (life * 1000 + step) * PER_STEP
    request = Request(id=f"{kind}-{life}-{step}", method=kind, fingerprint=b"")
    fourth = np.array([first + 3], dtype=np.uint64)
    match kind:
        case "label":
            labels = [Label(pool_id=first + offset, label=1) for offset in range(3)]
            return asdict(store.record_labels("c", labels, request))
        case "correct":
            return asdict(store.correct_labels("c", [Label(pool_id=first, label=2)], request))
        case "retract":
            return asdict(store.retract_labels("c", np.array([first + 1], dtype=np.uint64), request))
        case "lease":
            return store.lease(
                "c", fourth, 1, request, lambda lease: Answer(reply=f"{lease.round}".encode())
            ).decode()
        case "extend":
            return asdict(store.extend("c", fourth, 10_000, request))
    events = [LabelEvent(change=Change.RECORDED, pool_id=first, label=3)]
    name = f"{life}-{step}"
    return asdict(store.import_campaign(name, "pool", 0, CampaignContent(events=events), request))


def open_store(path: Path) -> CampaignStore:
    store = CampaignStore.open(path, lease_seconds=5000)
    pool = StubPool(100_000)
    store.register_pool("pool", lambda: pool)
    return store


if __name__ == "__main__":
    opened = open_store(Path(sys.argv[1]))
    life = int(sys.argv[2])
    for step in range(1000):
        for kind in KINDS:
            print(json.dumps([kind, life, step, write(opened, kind, life, step)]), flush=True)
