"""One answer for every request, and another try where others were quicker to lease."""

from __future__ import annotations

from collections.abc import Callable

from query_server.campaigns.values import RankedListExhaustedError, Request
from query_server.errors import overloaded
from query_server.selection.ports import Campaigns, Checkpoint

_ATTEMPTS = 5


def answered(
    campaigns: Campaigns, write: Request, attempt: Callable[[], bytes], *, stage: str, checkpoint: Checkpoint
) -> bytes:
    """Return the stored answer of a write, or make it.

    Args:
        campaigns: The ledger.
        write: Its identity; a duplicate in flight is waited for.
        attempt: Finds samples, leases them and stores the answer. Tried again where others have leased what it found.
        stage: Names the time between two attempts.
        checkpoint: Raises once the caller no longer waits.

    Raises:
        DowserError: REQUEST_ID_REUSED, CANCELLED, DEADLINE_EXCEEDED, OVERLOADED after too many attempts, and what an
            attempt raises.
    """
    with campaigns.exclusive(write) as stored:
        if stored is not None:
            return stored
        for _ in range(_ATTEMPTS):
            try:
                return attempt()
            except RankedListExhaustedError:
                checkpoint(stage)
        raise overloaded("selections at the same time in this campaign", 1, retry_after_seconds=0.1)
