"""The campaigns in memory: what every call needs to know without asking the disk.

Rebuilt from the ledger at open, changed only after a commit. Not thread-safe: the store's lock guards it.
"""

from dataclasses import dataclass

import numpy as np

from query_server import errors
from query_server.campaigns.ledger import CampaignRow, Ledger
from query_server.campaigns.membership import Membership
from query_server.campaigns.values import CampaignInfo, CurrentState, PoolState


@dataclass(kw_only=True)
class MirroredCampaign:
    """One campaign.

    Attributes:
        row: What the ledger says of it and never changes.
        membership: Its labels and leases.
        rounds: Selections made so far.
        memory: What the last selection left for the next.
        next_expiry: When the first of its leases ends, seconds since the epoch; None while none does.
        lapsed_until: Leases that end by then are over here and still in the ledger; None where there are none. The
            next write deletes them.
    """

    row: CampaignRow
    membership: Membership
    rounds: int
    memory: bytes = b""
    next_expiry: float | None = None
    lapsed_until: float | None = None

    def info(self, state: PoolState | None) -> CampaignInfo:
        """Return the campaign and its counts now; `state` is its pool's, None while that is not served."""
        return CampaignInfo(
            id=self.row.id,
            name=self.row.name,
            pool=self.row.pool,
            seed=self.row.seed,
            create_time=self.row.create_time,
            labeled=self.membership.labeled,
            leased=self.membership.leased,
            unlabeled=0 if state is None else self.membership.view(state).free,
            rounds=self.rounds,
        )


class Mirror:
    """All campaigns and served pools."""

    def __init__(self, ledger: Ledger) -> None:
        self._pools: dict[str, CurrentState] = {}
        self._campaigns: dict[str, MirroredCampaign] = {}  # by id, in order of creation
        self._ids: dict[str, str] = {}  # name -> id
        for row in ledger.campaigns():
            pool_ids, labels = ledger.labels(row.key)
            membership = Membership(pool_ids=pool_ids, labels=labels, leased=ledger.leased_ids(row.key))
            self.keep(
                MirroredCampaign(
                    row=row,
                    membership=membership,
                    rounds=row.rounds,
                    memory=row.memory,
                    next_expiry=ledger.next_expiry(row.key),
                )
            )

    def serve(self, pool: str, current: CurrentState) -> None:
        """Make a pool's campaigns usable."""
        self._pools[pool] = current

    def refuse_taken(self, name: str, pool: str) -> None:
        """Raise unless a campaign of this name may be made on this pool."""
        if pool not in self._pools:
            raise errors.pool_not_found(pool)
        # A name that is another campaign's id would make `find` ambiguous.
        if name in self._ids or name in self._campaigns:
            raise errors.campaign_exists(name)

    def new(self, row: CampaignRow) -> MirroredCampaign:
        """Return the mirror of a campaign just inserted; `keep` it after the commit."""
        nothing = np.empty(0, dtype=np.int64)
        membership = Membership(
            pool_ids=nothing.astype(np.uint64), labels=nothing, leased=nothing.astype(np.uint64)
        )
        return MirroredCampaign(row=row, membership=membership, rounds=0)

    def keep(self, campaign: MirroredCampaign) -> None:
        """Add a campaign."""
        self._campaigns[campaign.row.id] = campaign
        self._ids[campaign.row.name] = campaign.row.id

    def forget(self, campaign: MirroredCampaign) -> None:
        """Remove a campaign."""
        del self._campaigns[campaign.row.id], self._ids[campaign.row.name]

    def find(self, id_or_name: str) -> MirroredCampaign:
        """Return a campaign by id or name; raises CAMPAIGN_NOT_FOUND."""
        found = self._campaigns.get(id_or_name) or self._campaigns.get(self._ids.get(id_or_name, ""))
        if found is None:
            raise errors.campaign_not_found(id_or_name)
        return found

    def served(self, pool: str) -> PoolState:
        """Return the current state of a pool; raises POOL_NOT_FOUND."""
        if pool not in self._pools:
            raise errors.pool_not_found(pool)
        return self._pools[pool]()

    def state_of(self, campaign: MirroredCampaign) -> PoolState | None:
        """Return the current state of a campaign's pool, None while that is not served."""
        current = self._pools.get(campaign.row.pool)
        return None if current is None else current()

    def of_pool(self, pool: str | None) -> tuple[MirroredCampaign, ...]:
        """Return the campaigns of a pool (None or "": of all) in order of creation."""
        return tuple(one for one in self._campaigns.values() if not pool or one.row.pool == pool)
