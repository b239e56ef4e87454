"""``python -m query_server.pool.finishing DIRECTORY THREADS PARENT``: makes a compacted index, at low priority."""

import contextlib
import ctypes
import logging
import os
import signal
import sys
from pathlib import Path

import numpy as np
from google.protobuf import json_format

from dowser.v1 import index_pb2
from query_server.errors import DowserError
from query_server.pool.compaction import DRAFT, QUERIES
from query_server.pool.finish import finish_index, remove_leftovers

_PR_SET_PDEATHSIG = 1
_NICENESS = 10


def main(directory: Path, threads: int, parent: int) -> int:
    """Finish the index of a directory; return the exit status."""
    _yield_to_others(parent)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    try:
        draft = json_format.Parse((directory / DRAFT).read_text(), index_pb2.IndexManifest())
        queries = np.load(directory / QUERIES)
        finish_index(directory, draft, queries=queries, threads=threads, progress=False)
        remove_leftovers(directory)
    except (DowserError, OSError, RuntimeError, MemoryError) as error:  # FAISS raises RuntimeError
        print(f"{type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _yield_to_others(parent: int) -> None:
    """Lower the priority, also the session's where Linux schedules by it; be ended first, and with the parent."""
    os.nice(_NICENESS)
    for file, value in (("autogroup", _NICENESS), ("oom_score_adj", 800)):
        with contextlib.suppress(OSError):
            Path(f"/proc/self/{file}").write_text(str(value))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise SystemExit("the server is gone")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
