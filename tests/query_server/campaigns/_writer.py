"""A process that leases and labels until it is killed, and prints what was acknowledged."""

import sys
from pathlib import Path

import numpy as np
from pool_states import StubPool

from query_server.campaigns import Answer, CampaignStore, Label, Request

store = CampaignStore.open(Path(sys.argv[1]))
life = sys.argv[2]
size = int(sys.argv[3])
pool = StubPool(size)
store.register_pool("pool", lambda: pool)
everything = np.arange(size, dtype=np.uint64)
for step in range(10**6):
    lease_request = Request(id=f"lease-{life}-{step}", method="lease", fingerprint=b"")
    answer = store.lease(
        "c",
        everything,
        3,
        lease_request,
        lambda lease: Answer(reply=str(lease.pool_ids.tolist()).encode()),
    )
    print(f"leased {answer.decode()}", flush=True)
    first = int(answer.decode().strip("[]").split(",")[0])
    label_request = Request(id=f"label-{life}-{step}", method="label", fingerprint=b"")
    store.record_labels("c", [Label(pool_id=first, label=first % 10)], label_request)
    print(f"labeled {first}", flush=True)
