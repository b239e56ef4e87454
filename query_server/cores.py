"""One thread budget for all that computes: FAISS's searches, the encoder, and the jobs of the worker processes; a leaf.

Whoever computes gets an equal part of the threads among those who are at it when it begins, one at least. Nobody waits,
so a quick search never stands behind a long ascent; what begins alone and is joined later leaves the rest to the
operating system's scheduling. What is computed must not depend on the number of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOCK = threading.Lock()
_busy = 0


@contextmanager
def share(threads: int) -> Iterator[int]:
    """Compute; yields how many of so many threads to use."""
    global _busy
    with _LOCK:
        _busy += 1
        part = max(1, threads // _busy)
    try:
        yield part
    finally:
        with _LOCK:
            _busy -= 1
