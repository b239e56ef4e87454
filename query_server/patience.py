"""Whether whoever asked still waits, for work deep below the request; a leaf.

The request's checkpoint travels in a context variable, as its clock does (``timing``), so that no signature between
the two has to carry it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CHECKPOINT: ContextVar[Callable[[str], None] | None] = ContextVar("dowser_checkpoint", default=None)


@contextmanager
def waiting_caller(checkpoint: Callable[[str], None]) -> Iterator[None]:
    """Do a caller's work; ``checkpoint`` raises DowserError once it no longer waits."""
    token = _CHECKPOINT.set(checkpoint)
    try:
        yield
    finally:
        _CHECKPOINT.reset(token)


def require_waiting(stage: str) -> None:
    """Raise DowserError (CANCELLED or DEADLINE_EXCEEDED) once the caller no longer waits; without one, do nothing."""
    checkpoint = _CHECKPOINT.get()
    if checkpoint is not None:
        checkpoint(stage)
