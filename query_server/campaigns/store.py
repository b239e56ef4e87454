"""Campaigns as the server uses them: durable, idempotent, and quick to ask.

Every write is one transaction that also stores the answer under its request id: either all of it is on disk
before the method returns, or nothing changed. The samples a campaign has used up are mirrored in memory, so that
a selection takes its snapshot without touching the disk. Methods block (disk, locks): call them from a worker
thread.
"""

from query_server.campaigns.importing import Importer
from query_server.campaigns.label_book import LabelBook
from query_server.campaigns.lease_book import LeaseBook
from query_server.campaigns.proposal_book import ProposalBook
from query_server.campaigns.values import CampaignInfo, PoolState, Request, Snapshot


class CampaignStore(LabelBook, LeaseBook, ProposalBook, Importer):
    """The ledger of all campaigns of a server. Thread-safe; one process per file."""

    def get(self, id_or_name: str) -> CampaignInfo:
        """Return a campaign by id or name.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND.
        """
        with self._lock:
            return self._info(self._find(id_or_name))

    def list(self, pool: str | None = None) -> tuple[CampaignInfo, ...]:
        """Return the campaigns of a pool (None or "": of all pools) in order of creation."""
        with self._lock:
            campaigns = self._mirror.of_pool(pool)
            for campaign in campaigns:
                self._lapse(campaign)
            return tuple(map(self._info, campaigns))

    def delete(self, id_or_name: str, request: Request) -> None:
        """Delete a campaign with its labels, leases and stored answers.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND or REQUEST_ID_REUSED.
        """
        with self._lock:
            if self._stored_answer(request) is not None:
                return
            campaign = self._find(id_or_name)
            with self._transaction(campaign):
                self._ledger.delete_campaign(campaign.row.key)
                self._ledger.add_request(request, b"", None)
            self._mirror.forget(campaign)

    def snapshot(self, id_or_name: str, pool: PoolState | None = None) -> Snapshot:
        """Return a campaign and its free rows, both of one moment. O(what it has used up).

        Args:
            id_or_name: The campaign.
            pool: The state of its pool that rows are meant in; None means the current one.

        Raises:
            DowserError: CAMPAIGN_NOT_FOUND or POOL_NOT_FOUND (its pool is not served).
        """
        with self._lock:
            campaign, current = self._find_served(id_or_name)
            state = current if pool is None else pool
            info, view, memory = campaign.info(state), campaign.membership.view(state), campaign.memory
        return Snapshot(
            info=info,
            available=view.available(),
            labeled_rows=view.rows,
            labeled_ids=view.pool_ids,
            labels=view.labels,
            memory=memory,
        )
