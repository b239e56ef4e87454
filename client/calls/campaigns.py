"""Campaigns and their rounds; blocking and as coroutines."""

from __future__ import annotations

from collections.abc import Iterable

from client.calls.base import AsyncCalls, Calls
from client.conversion.requests import campaigns as requests
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.labels import LabelEvent
from client.types.leases import LeaseTerm


class CampaignCalls(Calls):
    """Campaigns and their rounds."""

    def create_campaign(
        self, name: str, *, pool: str = "", seed: int = 0, request_id: str | None = None
    ) -> Campaign:
        """Start a labeling project; selections that name no seed derive theirs from `seed` and the round."""
        return self._send(requests.create_campaign(name, pool=pool, seed=seed, request_id=request_id))

    def get_campaign(self, campaign: Campaign | str) -> Campaign:
        """Return a campaign as it stands now, given its id or name."""
        return self._send(requests.get_campaign(campaign))

    def list_campaigns(self, *, pool: str = "") -> tuple[Campaign, ...]:
        """Return the campaigns of a pool, or of all pools, in order of creation."""
        return self._send(requests.list_campaigns(pool=pool))

    def delete_campaign(self, campaign: Campaign | str, *, request_id: str | None = None) -> None:
        """Delete a campaign with its labels and leases."""
        self._send(requests.delete_campaign(campaign, request_id=request_id))

    def list_rounds(self, campaign: Campaign | str) -> tuple[Round, ...]:
        """Return the selections of a campaign in their order."""
        return self._send(requests.list_rounds(campaign))

    def import_campaign(
        self,
        name: str,
        *,
        pool: str = "",
        seed: int = 0,
        events: Iterable[LabelEvent] = (),
        leases: Iterable[LeaseTerm] = (),
        rounds: Iterable[Round] = (),
        skip_unknown: bool = False,
        request_id: str | None = None,
    ) -> CampaignImported:
        """Make a campaign of what another one held, all of it or nothing; `client.campaign_files` reads exports.

        Args:
            name: Of the new campaign.
            pool: The pool; empty means the server's only one.
            seed: Seeds of selections that name none are derived from this and the round.
            events: The history of its labels, in its order.
            leases: What is handed out and not labeled.
            rounds: The selections made.
            skip_unknown: Leave out samples that the pool does not hold, instead of refusing.
            request_id: Names this call: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.import_campaign(
                name,
                pool=pool,
                seed=seed,
                events=events,
                leases=leases,
                rounds=rounds,
                skip_unknown=skip_unknown,
                request_id=request_id,
            )
        )


class AsyncCampaignCalls(AsyncCalls):
    """The same as coroutines."""

    async def create_campaign(
        self, name: str, *, pool: str = "", seed: int = 0, request_id: str | None = None
    ) -> Campaign:
        """Start a labeling project; selections that name no seed derive theirs from `seed` and the round."""
        return await self._send(requests.create_campaign(name, pool=pool, seed=seed, request_id=request_id))

    async def get_campaign(self, campaign: Campaign | str) -> Campaign:
        """Return a campaign as it stands now, given its id or name."""
        return await self._send(requests.get_campaign(campaign))

    async def list_campaigns(self, *, pool: str = "") -> tuple[Campaign, ...]:
        """Return the campaigns of a pool, or of all pools, in order of creation."""
        return await self._send(requests.list_campaigns(pool=pool))

    async def delete_campaign(self, campaign: Campaign | str, *, request_id: str | None = None) -> None:
        """Delete a campaign with its labels and leases."""
        await self._send(requests.delete_campaign(campaign, request_id=request_id))

    async def list_rounds(self, campaign: Campaign | str) -> tuple[Round, ...]:
        """Return the selections of a campaign in their order."""
        return await self._send(requests.list_rounds(campaign))

    async def import_campaign(
        self,
        name: str,
        *,
        pool: str = "",
        seed: int = 0,
        events: Iterable[LabelEvent] = (),
        leases: Iterable[LeaseTerm] = (),
        rounds: Iterable[Round] = (),
        skip_unknown: bool = False,
        request_id: str | None = None,
    ) -> CampaignImported:
        """Make a campaign of what another one held, all of it or nothing; `client.campaign_files` reads exports."""
        return await self._send(
            requests.import_campaign(
                name,
                pool=pool,
                seed=seed,
                events=events,
                leases=leases,
                rounds=rounds,
                skip_unknown=skip_unknown,
                request_id=request_id,
            )
        )
