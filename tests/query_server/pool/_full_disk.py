"""A process whose files may not grow beyond a limit: adds until refused, and says what stands then."""

import resource
import sys
from pathlib import Path

from live_pools import DIGEST, add, contents, open_live, samples

from query_server.errors import DowserError
from query_server.pool import Pool

pool = Pool.open(Path(sys.argv[2]), expected_bundle_digest=DIGEST)
live = open_live(Path(sys.argv[1]), pool)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
reason = ""
for step in range(10_000):
    before = live.current()
    try:
        add(live, samples(int(sys.argv[4]), step), f"a-{step}")
    except DowserError as error:
        assert live.current() is before
        reason = f"{error.reason} {Path(error.metadata['path']).name}"
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(reason, step, len(contents(live.current())))
again = add(live, samples(int(sys.argv[4]), step), f"a-{step}")
print("added", again.size)
