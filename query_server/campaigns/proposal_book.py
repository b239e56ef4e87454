"""Candidates that a proposal holds until its commit: leases of no round yet."""

from collections.abc import Callable

import numpy as np

from query_server.campaigns.core import Core
from query_server.campaigns.values import AnswerBuilder, Lease, RankedListExhaustedError, Request, UInt64


class ProposalBook(Core):
    """The part of the store that deals in proposals."""

    def hold(self, id_or_name: str, pool_ids: UInt64, request: Request, answer: Callable[[], bytes]) -> bytes:
        """Lease candidates to a proposal until `settle`, and store the answer; makes no round.

        Args:
            id_or_name: The campaign.
            pool_ids: uint64 [n], no two alike.
            request: The write's identity; its id names the proposal.
            answer: Makes the answer; runs inside the transaction. An exception in it undoes everything.

        Returns:
            The answer, or the stored one where the request was answered before.

        Raises:
            RankedListExhaustedError: some of the ids are not free any more, or gone from the pool.
            DowserError: CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return stored
            campaign, state = self._find_served(id_or_name)
            free = len(campaign.membership.first_free(pool_ids, state, len(pool_ids)))
            if free < len(pool_ids):
                raise RankedListExhaustedError(len(pool_ids), free)
            expire_time = self._now() + self._lease_seconds if self._lease_seconds else None
            with self._transaction(campaign):
                self._ledger.hold(campaign.row.key, pool_ids, request.id, expire_time)
                reply = answer()
                self._ledger.add_request(request, reply, campaign.row.key)
            campaign.membership.lease(pool_ids)
            campaign.next_expiry = self._ledger.next_expiry(campaign.row.key)
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
        ranked_pool_ids: UInt64,
        budget: int,
        request: Request,
        answer: AnswerBuilder,
    ) -> bytes:
        """Make a round of the first `budget` ids of a ranked list that a proposal still holds; end its other leases.

        Args:
            id_or_name: The campaign.
            proposal: The request id of the `hold`.
            ranked_pool_ids: uint64 [n], the best first, no two alike.
            budget: How many to keep; their leases begin anew.
            request: The write's identity.
            answer: As for `lease`.

        Returns:
            The answer, or the stored one where the request was answered before.

        Raises:
            RankedListExhaustedError: the proposal holds fewer of the ids; the others were labeled, released or settled,
                their leases have ended, or the pool no longer has them.
            DowserError: CAMPAIGN_NOT_FOUND, POOL_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            stored = self._stored_answer(request)
            if stored is not None:
                return stored
            campaign, state = self._find_served(id_or_name)
            key = campaign.row.key
            held = self._ledger.held_ids(key, proposal)
            held = held[campaign.membership.are_leased(held)]  # what has lapsed may still be in the file
            keepable = np.isin(ranked_pool_ids, held) & (state.rows_of(ranked_pool_ids) >= 0)
            positions = np.flatnonzero(keepable)[:budget]
            if len(positions) < budget:
                raise RankedListExhaustedError(budget, len(positions))
            lease = Lease(positions=positions, pool_ids=ranked_pool_ids[positions], round=campaign.rounds + 1)
            expire_time = self._now() + self._lease_seconds if self._lease_seconds else None
            with self._transaction(campaign):
                self._ledger.delete_leases(key, held)
                self._ledger.add_round(key, lease.round, lease.pool_ids, request.id, expire_time)
                answered = answer(lease)
                if answered.memory is not None:
                    self._ledger.remember(key, answered.memory)
                self._ledger.add_request(request, answered.reply, key)
            campaign.membership.release(np.setdiff1d(held, lease.pool_ids))
            campaign.next_expiry = self._ledger.next_expiry(key)
            campaign.rounds = lease.round
            if answered.memory is not None:
                campaign.memory = answered.memory
            return answered.reply
