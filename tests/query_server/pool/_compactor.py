"""A process that changes a pool and compacts it, prints what was done, and waits to be killed.

The index is built from the state before the changes printed, so that some stay in the journal.
"""

import json
import sys
import time
from pathlib import Path

from live_pools import DIGEST, add, compact, open_live, remove, samples

from query_server.pool import Pool, compacted_folder, identity_of

directory, index_dir, life = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
configured = Pool.open(index_dir, expected_bundle_digest=DIGEST)
folder = compacted_folder(directory, identity_of(configured.manifest))
base = configured if folder is None else Pool.open(folder, expected_bundle_digest=DIGEST)
live = open_live(directory, base)
moment = live.moment()
added = add(live, samples(3, life), f"a-{life}").pool_ids.tolist()
print("added", json.dumps(added), flush=True)
remove(live, added[:1], f"r-{life}")
print("removed", json.dumps(added[:1]), flush=True)
live = compact(live, moment)
print("compacted", flush=True)
live.remove_unused()
print("cleaned", flush=True)
time.sleep(600)
