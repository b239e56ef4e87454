"""Leases of a campaign: which samples were handed out, until when, and the rounds they were handed out in."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from query_server import errors
from query_server.campaigns.core import Core
from query_server.campaigns.values import (
    AnswerBuilder,
    Extended,
    Lease,
    LeaseTerm,
    RankedListExhaustedError,
    Request,
    RoundInfo,
    UInt64,
)

#: Ten years.
MAX_LEASE_SECONDS = 10 * 366 * 86_400.0


class LeaseBook(Core):
    """The part of the store that deals in leases."""

    def leases(self, id_or_name: str) -> UInt64:
        """Return the ids handed out and not labeled yet, uint64 [n], ascending.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        return np.array([term.pool_id for term in self.lease_terms(id_or_name)], dtype=np.uint64)

    def lease_terms(self, id_or_name: str) -> Sequence[LeaseTerm]:
        """Return what is handed out and not labeled yet, by ascending id.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            campaign = self._find(id_or_name)
            terms = self._ledger.leases(campaign.row.key)
            lapsed = campaign.lapsed_until
        live = [
            term for term in terms if lapsed is None or term.expire_time is None or term.expire_time > lapsed
        ]
        return sorted(live, key=lambda term: term.pool_id)

    def rounds(self, id_or_name: str) -> Sequence[RoundInfo]:
        """Return the selections made so far, in their order.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            return self._ledger.rounds(self._find(id_or_name).row.key)

    def lease(
        self,
        id_or_name: str,
        ranked_pool_ids: UInt64,
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Lease the first `budget` ids of a ranked list that are still free, and store the answer.

        Two callers never get one id: what counts is the moment of this call, not of the snapshot that led to
        the list, so hand in more ids than the budget where others select at the same time.

        Args:
            id_or_name: The campaign.
            ranked_pool_ids: uint64 [n], the best first; repeated ids count once, and ids that the pool does not hold
                (any more) are passed over.
            budget: How many to lease.
            request: The write's identity.
            answer: Makes the answer and the campaign's memory from what was leased; runs inside the transaction,
                so it must be quick. An exception in it undoes everything.

        Returns:
            The answer, or the stored one where the request was answered before.

        Raises:
            RankedListExhaustedError: the list holds too few free ids though the pool has enough.
            DowserError: BUDGET_EXCEEDS_POOL, INVALID_ARGUMENT, CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or
                REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return stored
            campaign, state = self._find_served(id_or_name)
            if budget < 1:
                raise errors.invalid_argument("budget", budget, f"1 to {state.size}")
            free = campaign.membership.view(state).free
            if budget > free:
                raise errors.budget_exceeds_pool(budget, free)
            pool_ids = np.asarray(ranked_pool_ids, dtype=np.uint64)
            positions = campaign.membership.first_free(pool_ids, state, budget)
            if len(positions) < budget:
                raise RankedListExhaustedError(budget, len(positions))
            lease = Lease(positions=positions, pool_ids=pool_ids[positions], round=campaign.rounds + 1)
            expire_time = self._now() + self._lease_seconds if self._lease_seconds else None
            with self._transaction(campaign):
                self._ledger.add_round(campaign.row.key, lease.round, lease.pool_ids, request.id, expire_time)
                answered = answer(lease)
                if answered.memory is not None:
                    self._ledger.remember(campaign.row.key, answered.memory)
                self._ledger.add_request(request, answered.reply, campaign.row.key)
            campaign.membership.lease(lease.pool_ids)
            if expire_time is not None:
                campaign.next_expiry = min(expire_time, campaign.next_expiry or expire_time)
            campaign.rounds = lease.round
            if answered.memory is not None:
                campaign.memory = answered.memory
            return answered.reply

    def release(self, id_or_name: str, pool_ids: UInt64, request: Request) -> int:
        """Give leased samples back; ids that are not leased are ignored. Returns how many were released.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return int(json.loads(stored))
            campaign = self._find(id_or_name)
            distinct = np.unique(np.asarray(pool_ids, dtype=np.uint64))
            leased = distinct[campaign.membership.are_leased(distinct)]
            with self._transaction(campaign):
                self._ledger.delete_leases(campaign.row.key, leased)
                self._ledger.add_request(request, json.dumps(len(leased)).encode(), campaign.row.key)
            campaign.membership.release(leased)
            return len(leased)

    def extend(
        self, id_or_name: str, pool_ids: UInt64, seconds: float, request: Request, *, round_: int = 0
    ) -> Extended:
        """Let leases end so many seconds from now, unless they end later already.

        Args:
            id_or_name: The campaign.
            pool_ids: The samples; those that are not leased (any more) are named in the answer.
            seconds: 0 means the term of new leases.
            request: The write's identity.
            round_: Extend leases of this round only, so that a caller whose lease has lapsed does not extend the next
                one's; 0 means of any.

        Raises:
            DowserError: INVALID_ARGUMENT, CAMPAIGN_NOT_FOUND or REQUEST_ID_REUSED.
        """
        if not 0 <= seconds <= MAX_LEASE_SECONDS:
            raise errors.invalid_argument("seconds", seconds, f"0 to {MAX_LEASE_SECONDS:.0f}")
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                outcome = json.loads(stored)
                return Extended(extended=outcome["extended"], not_leased=tuple(outcome["not_leased"]))
            campaign = self._find(id_or_name)
            key = campaign.row.key
            distinct = np.unique(np.asarray(pool_ids, dtype=np.uint64))
            held = campaign.membership.are_leased(distinct)
            if round_:
                of_round = [term.pool_id for term in self._ledger.leases(key) if term.round == round_]
                held &= np.isin(distinct, np.array(of_round, dtype=np.uint64))
            extended = Extended(extended=int(held.sum()), not_leased=tuple(distinct[~held].tolist()))
            seconds = seconds or self._lease_seconds
            with self._transaction(campaign):
                self._ledger.extend_leases(
                    key, distinct[held].tolist(), self._now() + seconds if seconds else None
                )
                self._ledger.add_request(request, json.dumps(asdict(extended)).encode(), key)
            campaign.next_expiry = self._ledger.next_expiry(key)
            return extended
