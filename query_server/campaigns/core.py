"""What every part of the campaign store stands on: one lock, one file, one clock, and answers kept by request id."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from query_server import errors
from query_server.campaigns.ledger import Ledger
from query_server.campaigns.mirror import Mirror, MirroredCampaign
from query_server.campaigns.request_locks import RequestLocks
from query_server.campaigns.schema import open_ledger
from query_server.campaigns.values import CampaignInfo, CurrentState, PoolState, Request
from query_server.files import sync
from query_server.writes import check_request_id

MAX_PAGE_SIZE = 100_000
DEFAULT_ANSWER_DAYS = 30.0

_BACKUP_PAUSE_SECONDS = 0.001
_DAY_SECONDS = 86_400.0
# Stored answers are looked through this often for old ones, and so many are deleted in one write.
_PRUNE_SECONDS = 3600.0
_PRUNE_ROWS = 10_000


class Core:
    """The ledger with its mirror in memory. Thread-safe; one process per file.

    Leases that have a term end by the clock: over in memory as soon as anybody asks, and in the file with the next
    write, whose transaction deletes them before it does anything else. Time never runs backwards here: what has lapsed
    once stays so, whatever the machine's clock is set to.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        lease_seconds: float = 0.0,
        answer_days: float = DEFAULT_ANSWER_DAYS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._request_locks = RequestLocks()
        self._mirror = Mirror(ledger)
        self._lease_seconds = lease_seconds
        self._answer_seconds = answer_days * _DAY_SECONDS
        self._clock = clock
        self._latest = 0.0
        self._next_prune = 0.0

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        lease_seconds: float = 0.0,
        answer_days: float = DEFAULT_ANSWER_DAYS,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open the ledger file, creating it where there is none.

        Args:
            path: The file.
            lease_seconds: After so long an unlabeled lease ends by itself; 0 means never.
            answer_days: Stored answers older than this are forgotten; 0 keeps them for good.
            clock: Says the time, seconds since the epoch.

        Raises:
            DowserError: CORRUPT_FILE or UNAVAILABLE, as `open_ledger` says.
        """
        ledger = Ledger(open_ledger(path), clock=clock)
        store = cls(ledger, lease_seconds=lease_seconds, answer_days=answer_days, clock=clock)
        with store._lock, store._transaction(None):
            pass  # forgets old answers
        return store

    def close(self) -> None:
        """Close the file. Further calls fail."""
        with self._lock:
            self._ledger.close()

    def backup(self, out: Path) -> None:
        """Copy the ledger as of one moment into a new file, while calls go on; on disk when this returns."""

        def let_others_in(*_: int) -> None:
            self._lock.release()
            time.sleep(_BACKUP_PAUSE_SECONDS)  # a lock released and taken at once is not handed on
            self._lock.acquire()

        with self._lock:
            self._ledger.copy(out, between=let_others_in)
        sync(out)

    def register_pool(self, pool: str, current: CurrentState) -> None:
        """Make a pool's campaigns usable; `current` is asked for the pool's state at every call that needs it.

        It is called under the store's lock: it must be quick and must not call the store.
        """
        with self._lock:
            self._mirror.serve(pool, current)

    @contextmanager
    def exclusive(self, request: Request) -> Iterator[bytes | None]:
        """Hold a request id while its work is done, so that a duplicate in flight waits for the answer.

        Yields:
            The stored answer, or None where the work is still to be done.

        Raises:
            DowserError: REQUEST_ID_REUSED, or CANCELLED or DEADLINE_EXCEEDED once the caller waits no longer for a
                duplicate in flight.
        """
        with self._request_locks.hold(request.id):
            with self._lock:
                stored = self._stored_answer(request)
            yield stored

    def _now(self) -> float:
        self._latest = max(self._latest, self._clock())
        return self._latest

    def _find(self, id_or_name: str) -> MirroredCampaign:
        """Return a campaign as it is now; raises CAMPAIGN_NOT_FOUND."""
        campaign = self._mirror.find(id_or_name)
        self._lapse(campaign)
        return campaign

    def _find_served(self, id_or_name: str) -> tuple[MirroredCampaign, PoolState]:
        """Return a campaign as it is now with its pool's state; raises CAMPAIGN_NOT_FOUND or POOL_NOT_FOUND."""
        campaign = self._find(id_or_name)
        state = self._mirror.state_of(campaign)
        if state is None:
            raise errors.pool_not_found(campaign.row.pool)
        return campaign, state

    def _info(self, campaign: MirroredCampaign) -> CampaignInfo:
        """Return a campaign and its counts."""
        return campaign.info(self._mirror.state_of(campaign))

    def _lapse(self, campaign: MirroredCampaign) -> None:
        """End the leases whose time has come, in memory."""
        now = self._now()
        if campaign.next_expiry is not None and campaign.next_expiry <= now:
            campaign.membership.release(self._ledger.lapsed_ids(campaign.row.key, now))
            campaign.lapsed_until = now
            campaign.next_expiry = self._ledger.next_expiry(campaign.row.key, now)

    @contextmanager
    def _transaction(self, campaign: MirroredCampaign | None) -> Iterator[None]:
        """Write: all or nothing, and on disk at the end. First of all, what has lapsed is written too."""
        now = self._now()
        pruned = self._next_prune
        with self._ledger.transaction():
            if campaign is not None and campaign.lapsed_until is not None:
                self._ledger.delete_lapsed(campaign.row.key, campaign.lapsed_until)
            if self._answer_seconds and now >= self._next_prune:
                deleted = self._ledger.delete_answers(now - self._answer_seconds, _PRUNE_ROWS)
                pruned = now if deleted == _PRUNE_ROWS else now + _PRUNE_SECONDS
            yield
        self._next_prune = pruned
        if campaign is not None:
            campaign.lapsed_until = None

    def _stored_answer(self, request: Request) -> bytes | None:
        """Return the answer of a request made before; refuse an id that was used for another request."""
        check_request_id(request.id)
        stored = self._ledger.request(request.id)
        if stored is None:
            return None
        if (stored.method, stored.fingerprint) != (request.method, request.fingerprint):
            raise errors.request_id_reused(request.id)
        return stored.answer


def page_start(page_size: int, page_token: str) -> int:
    """Return the sequence number that a page begins after.

    Raises:
        DowserError: INVALID_ARGUMENT for a page size or token that cannot be.
    """
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise errors.invalid_argument("page_size", page_size, f"1 to {MAX_PAGE_SIZE}")
    if page_token and not (page_token.isascii() and page_token.isdigit() and len(page_token) < 19):
        raise errors.invalid_argument("page_token", page_token, "the token of the page before, or empty")
    return int(page_token or 0)
