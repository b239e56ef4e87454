"""A process that adds and removes samples until it is killed, and prints what was acknowledged."""

import sys
from pathlib import Path

from live_pools import DIGEST, add, open_live, remove, samples

from query_server.pool import Pool

pool = Pool.open(Path(sys.argv[2]), expected_bundle_digest=DIGEST)
live = open_live(Path(sys.argv[1]), pool)
life = sys.argv[3]
print("open", flush=True)
for step in range(10**6):
    added = add(live, samples(3, step), f"a-{life}-{step}")
    print(f"added {added.index_version} {added.pool_ids.tolist()} {step}", flush=True)
    gone = remove(live, added.pool_ids[:1], f"r-{life}-{step}")
    print(f"removed {gone.index_version} {added.pool_ids[:1].tolist()} {step}", flush=True)
