"""Campaigns as the server uses them: durable, idempotent, and quick to ask.

Every write is one transaction that also stores the answer under its request id: either all of it is on disk
before the method returns, or nothing changed. The rows a campaign has used up are mirrored in memory, so that
a selection takes its snapshot without touching the disk. Methods block (disk, locks): call them from a worker
thread.
"""

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.campaigns.ledger import Ledger
from query_server.campaigns.mirror import Mirror, ServedPool
from query_server.campaigns.request_locks import RequestLocks
from query_server.campaigns.schema import open_ledger
from query_server.campaigns.values import (
    AnswerBuilder,
    CampaignInfo,
    Label,
    Lease,
    RankedListExhaustedError,
    Recorded,
    Request,
    RowsOf,
    Snapshot,
)

MAX_NAME_LENGTH = 128
MAX_REQUEST_ID_LENGTH = 128
MAX_PAGE_SIZE = 100_000


class CampaignStore:
    """The ledger of all campaigns of a server. Thread-safe; one process per file."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._request_locks = RequestLocks()
        self._mirror = Mirror(ledger)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the ledger file, creating it where there is none.

        Raises:
            DowserError: CORRUPT_FILE or UNAVAILABLE, as `open_ledger` says.
        """
        return cls(Ledger(open_ledger(path)))

    def close(self) -> None:
        """Close the file. Further calls fail."""
        with self._lock:
            self._ledger.close()

    def register_pool(self, pool: str, *, size: int, rows_of: RowsOf) -> None:
        """Make a pool's campaigns usable; rebuilds which of its N rows each has used up.

        Args:
            pool: The pool's name.
            size: N.
            rows_of: Maps pool ids uint64 [n] to rows int64 [n], -1 where unknown.
        """
        with self._lock:
            self._mirror.serve(pool, ServedPool(size=size, rows_of=rows_of))

    def create(self, name: str, pool: str, seed: int, request: Request) -> CampaignInfo:
        """Create a campaign.

        Raises:
            DowserError: INVALID_ARGUMENT, POOL_NOT_FOUND, CAMPAIGN_EXISTS or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return CampaignInfo(**json.loads(stored))
            if not 1 <= len(name) <= MAX_NAME_LENGTH:
                raise errors.invalid_argument("name", name, f"1 to {MAX_NAME_LENGTH} characters")
            if not 0 <= seed < 2**64:
                raise errors.invalid_argument("seed", seed, "0 to 2^64 - 1")
            self._mirror.refuse_taken(name, pool)
            with self._ledger.transaction():
                campaign = self._mirror.new(
                    self._ledger.add_campaign(secrets.token_hex(16), name, pool, seed)
                )
                info = campaign.info()
                # Kept beyond the campaign's deletion: a late retry must not bring it back.
                self._ledger.add_request(request, json.dumps(asdict(info)).encode(), None)
            self._mirror.keep(campaign)
            return info

    def get(self, id_or_name: str) -> CampaignInfo:
        """Return a campaign by id or name.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            return self._mirror.find(id_or_name).info()

    def list(self, pool: str | None = None) -> tuple[CampaignInfo, ...]:
        """Return the campaigns of a pool (None or "": of all pools) in order of creation."""
        with self._lock:
            return self._mirror.infos(pool)

    def delete(self, id_or_name: str, request: Request) -> None:
        """Delete a campaign with its labels, leases and stored answers.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            if self._stored_answer(request) is not None:
                return
            campaign = self._mirror.find(id_or_name)
            with self._ledger.transaction():
                self._ledger.delete_campaign(campaign.row.key)
                self._ledger.add_request(request, b"", None)
            self._mirror.forget(campaign)

    def snapshot(self, id_or_name: str) -> Snapshot:
        """Return a campaign and its free rows, both of one moment. O(N) bytes copied.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND or POOL_NOT_FOUND (its pool is not served).
        """
        with self._lock:
            campaign, _, membership = self._mirror.find_served(id_or_name)
            assert campaign.labels is not None  # made together with the membership
            rows, pool_ids, labels = campaign.labels.joined()
            return Snapshot(
                info=campaign.info(),
                available=membership.available(),
                labeled_rows=rows,
                labeled_ids=pool_ids,
                labels=labels,
                memory=campaign.memory,
            )

    def available_mask(self, id_or_name: str) -> npt.NDArray[np.bool_]:
        """Return bool [N], true where a row is neither labeled nor leased; the caller's own copy."""
        return self.snapshot(id_or_name).available

    def labels_page(
        self, id_or_name: str, *, page_size: int = 10_000, page_token: str = ""
    ) -> tuple[Sequence[Label], str]:
        """Return (labels in the order they were recorded, the next page's token or "").

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND, or INVALID_ARGUMENT for a page size or token that cannot be.
        """
        if not 1 <= page_size <= MAX_PAGE_SIZE:
            raise errors.invalid_argument("page_size", page_size, f"1 to {MAX_PAGE_SIZE}")
        if page_token and not (page_token.isascii() and page_token.isdigit() and len(page_token) < 19):
            raise errors.invalid_argument("page_token", page_token, "the token of the page before, or empty")
        with self._lock:
            campaign = self._mirror.find(id_or_name)
            entries = self._ledger.labels_after(campaign.row.key, int(page_token or 0), page_size + 1)
        page = entries[:page_size]
        return [label for _, label in page], str(page[-1][0]) if len(entries) > page_size else ""

    def labels(self, id_or_name: str) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Return (pool_ids uint64 [L], labels int64 [L]) of a campaign in the order they were recorded.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            return self._ledger.labels(self._mirror.find(id_or_name).row.key)

    def leases(self, id_or_name: str) -> npt.NDArray[np.uint64]:
        """Return the ids handed out and not labeled yet, uint64 [n], ascending.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            return np.sort(self._ledger.leased_ids(self._mirror.find(id_or_name).row.key))

    def record_labels(self, id_or_name: str, labels: Sequence[Label], request: Request) -> Recorded:
        """Record labels, all or none; a leased sample's lease ends. The same label again changes nothing.

        Raises:
            DowserError: LABEL_CONFLICT for a sample with another label, POOL_ID_NOT_FOUND, INVALID_ARGUMENT,
                CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return Recorded(**json.loads(stored))
            campaign, pool, membership = self._mirror.find_served(id_or_name)
            distinct = _distinct(labels)
            pool_ids = np.array([entry.pool_id for entry in distinct], dtype=np.uint64)
            rows = pool.known_rows(pool_ids)
            already = membership.are_labeled(rows)
            for position in np.flatnonzero(already).tolist():
                entry = distinct[position]
                recorded = self._ledger.label_of(campaign.row.key, entry.pool_id)
                if recorded is not None and recorded != entry.label:
                    raise errors.label_conflict(entry.pool_id, recorded, entry.label)
            new = [distinct[position] for position in np.flatnonzero(~already).tolist()]
            new_rows = rows[~already]
            ended_leases = int(np.count_nonzero(membership.are_leased(new_rows)))
            outcome = Recorded(recorded=len(new), labeled=campaign.labeled + len(new))
            with self._ledger.transaction():
                self._ledger.add_labels(campaign.row.key, new)
                self._ledger.add_request(request, json.dumps(asdict(outcome)).encode(), campaign.row.key)
            membership.label(new_rows)
            assert campaign.labels is not None  # made together with the membership
            campaign.labels.append(
                new_rows, pool_ids[~already], np.array([entry.label for entry in new], dtype=np.int64)
            )
            campaign.labeled += len(new)
            campaign.leased -= ended_leases
            return outcome

    def lease(
        self,
        id_or_name: str,
        ranked_pool_ids: npt.NDArray[np.uint64],
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Lease the first `budget` ids of a ranked list that are still free, and store the answer.

        Two callers never get one id: what counts is the moment of this call, not of the snapshot that led to
        the list, so hand in more ids than the budget where others select at the same time.

        Args:
            id_or_name: The campaign.
            ranked_pool_ids: uint64 [n], the best first; repeated ids count once.
            budget: How many to lease.
            request: The write's identity.
            answer: Makes the answer and the campaign's memory from what was leased; runs inside the transaction,
                so it must be quick. An exception in it undoes everything.

        Returns:
            The answer, or the stored one where the request was answered before.

        Raises:
            RankedListExhaustedError: the list holds too few free ids though the pool has enough.
            DowserError: BUDGET_EXCEEDS_POOL, INVALID_ARGUMENT, POOL_ID_NOT_FOUND, CAMPAIGN_NOT_FOUND,
                POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return stored
            campaign, pool, membership = self._mirror.find_served(id_or_name)
            if budget < 1:
                raise errors.invalid_argument("budget", budget, f"1 to {pool.size}")
            if budget > membership.free:
                raise errors.budget_exceeds_pool(budget, membership.free)
            pool_ids = np.asarray(ranked_pool_ids, dtype=np.uint64)
            rows = pool.known_rows(pool_ids)
            positions = membership.first_free(rows, budget)
            if len(positions) < budget:
                raise RankedListExhaustedError(budget, len(positions))
            lease = Lease(positions=positions, pool_ids=pool_ids[positions], round=campaign.rounds + 1)
            with self._ledger.transaction():
                self._ledger.add_round(campaign.row.key, lease.round, lease.pool_ids, request.id)
                answered = answer(lease)
                if answered.memory is not None:
                    self._ledger.remember(campaign.row.key, answered.memory)
                self._ledger.add_request(request, answered.reply, campaign.row.key)
            membership.lease(rows[positions])
            campaign.leased += budget
            campaign.rounds = lease.round
            if answered.memory is not None:
                campaign.memory = answered.memory
            return answered.reply

    def release(self, id_or_name: str, pool_ids: npt.NDArray[np.uint64], request: Request) -> int:
        """Give leased samples back; ids that are not leased are ignored. Returns how many were released.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return int(json.loads(stored))
            campaign, pool, membership = self._mirror.find_served(id_or_name)
            distinct = np.unique(np.asarray(pool_ids, dtype=np.uint64))
            rows = pool.rows_of(distinct)
            distinct, rows = distinct[rows >= 0], rows[rows >= 0]
            leased = membership.are_leased(rows)
            with self._ledger.transaction():
                self._ledger.delete_leases(campaign.row.key, distinct[leased])
                count = int(np.count_nonzero(leased))
                self._ledger.add_request(request, json.dumps(count).encode(), campaign.row.key)
            membership.release(rows[leased])
            campaign.leased -= count
            return count

    def hold(
        self,
        id_or_name: str,
        pool_ids: npt.NDArray[np.uint64],
        request: Request,
        answer: Callable[[], bytes],
    ) -> bytes:
        """Lease candidates to a proposal until `settle`, and store the answer; makes no round.

        Args:
            id_or_name: The campaign.
            pool_ids: uint64 [n], no two alike.
            request: The write's identity; its id names the proposal.
            answer: Makes the answer; runs inside the transaction. An exception in it undoes everything.

        Returns:
            The answer, or the stored one where the request was answered before.

        Raises:
            RankedListExhaustedError: some of the ids are not free any more.
            DowserError: POOL_ID_NOT_FOUND, CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return stored
            campaign, pool, membership = self._mirror.find_served(id_or_name)
            rows = pool.known_rows(pool_ids)
            free = len(membership.first_free(rows, len(rows)))
            if free < len(rows):
                raise RankedListExhaustedError(len(rows), free)
            with self._ledger.transaction():
                self._ledger.hold(campaign.row.key, pool_ids, request.id)
                reply = answer()
                self._ledger.add_request(request, reply, campaign.row.key)
            membership.lease(rows)
            campaign.leased += len(rows)
            return reply

    def answered(self, request_id: str, method: str) -> bytes | None:
        """Return the stored answer of an earlier request to a method; None where there is none."""
        with self._lock:
            stored = self._ledger.request(request_id)
        return None if stored is None or stored.method != method else stored.answer

    def settle(
        self,
        id_or_name: str,
        proposal: str,
        ranked_pool_ids: npt.NDArray[np.uint64],
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Make a round of the first `budget` ids of a ranked list that a proposal still holds; end its other leases.

        Args:
            id_or_name: The campaign.
            proposal: The request id of the `hold`.
            ranked_pool_ids: uint64 [n], the best first, no two alike.
            budget: How many to keep.
            request: The write's identity.
            answer: As for `lease`.

        Returns:
            The answer, or the stored one where the request was answered before.

        Raises:
            RankedListExhaustedError: the proposal holds fewer of the ids; all others were labeled, released or settled.
            DowserError: CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return stored
            campaign, pool, membership = self._mirror.find_served(id_or_name)
            held = self._ledger.held_ids(campaign.row.key, proposal)
            positions = np.flatnonzero(np.isin(ranked_pool_ids, held))[:budget]
            if len(positions) < budget:
                raise RankedListExhaustedError(budget, len(positions))
            lease = Lease(positions=positions, pool_ids=ranked_pool_ids[positions], round=campaign.rounds + 1)
            ended = np.setdiff1d(held, lease.pool_ids)
            with self._ledger.transaction():
                self._ledger.delete_leases(campaign.row.key, held)
                self._ledger.add_round(campaign.row.key, lease.round, lease.pool_ids, request.id)
                answered = answer(lease)
                if answered.memory is not None:
                    self._ledger.remember(campaign.row.key, answered.memory)
                self._ledger.add_request(request, answered.reply, campaign.row.key)
            rows = pool.rows_of(ended)
            membership.release(rows[rows >= 0])
            campaign.leased -= len(ended)
            campaign.rounds = lease.round
            if answered.memory is not None:
                campaign.memory = answered.memory
            return answered.reply

    @contextmanager
    def exclusive(self, request: Request, *, timeout_seconds: float | None = None) -> Iterator[bytes | None]:
        """Hold a request id while its work is done, so that a duplicate in flight waits for the answer.

        Yields:
            The stored answer, or None where the work is still to be done.

        Raises:
            DowserError: REQUEST_ID_REUSED, or DEADLINE_EXCEEDED if a duplicate runs for longer than the
                timeout.
        """
        with self._request_locks.hold(request.id, timeout_seconds):
            with self._lock:
                stored = self._stored_answer(request)
            yield stored

    def _stored_answer(self, request: Request) -> bytes | None:
        """Return the answer of a request made before; refuse an id that was used for another request."""
        if not 1 <= len(request.id) <= MAX_REQUEST_ID_LENGTH:
            raise errors.invalid_argument(
                "request_id", request.id, f"1 to {MAX_REQUEST_ID_LENGTH} characters"
            )
        stored = self._ledger.request(request.id)
        if stored is None:
            return None
        if (stored.method, stored.fingerprint) != (request.method, request.fingerprint):
            raise errors.request_id_reused(request.id)
        return stored.answer


def _distinct(labels: Sequence[Label]) -> Sequence[Label]:
    """Return labels without repetitions, each checked; refuse two labels for one sample."""
    by_id: dict[int, Label] = {}
    for position, entry in enumerate(labels):
        if not 0 <= entry.pool_id < 2**64:
            raise errors.invalid_argument(f"labels[{position}].pool_id", entry.pool_id, "0 to 2^64 - 1")
        if not 0 <= entry.label < 2**63:
            raise errors.invalid_argument(f"labels[{position}].label", entry.label, "0 to 2^63 - 1")
        first = by_id.setdefault(entry.pool_id, entry)
        if first.label != entry.label:
            raise errors.label_conflict(entry.pool_id, first.label, entry.label)
    return tuple(by_id.values())
