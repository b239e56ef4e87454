"""The campaigns in memory: what every call needs to know without asking the disk.

Rebuilt from the ledger at open, changed only after a commit. Not thread-safe: the store's lock guards it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from query_server import errors
from query_server.campaigns.ledger import CampaignRow, Ledger
from query_server.campaigns.membership import Membership
from query_server.campaigns.values import CampaignInfo, RowsOf


@dataclass(frozen=True, kw_only=True)
class ServedPool:
    """A pool this server serves: N, and pool ids uint64 [n] to rows int64 [n] (-1 where unknown)."""

    size: int
    rows_of: RowsOf

    def known_rows(self, pool_ids: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Return the rows [n] of pool ids; raises POOL_ID_NOT_FOUND if one is unknown."""
        rows = self.rows_of(pool_ids)
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            raise errors.pool_id_not_found(int(pool_ids[unknown[0]]), len(unknown))
        return rows


class LabelLog:
    """A campaign's labels in the order they were recorded; cheap to add to, joined when read."""

    def __init__(
        self, rows: npt.NDArray[np.int64], pool_ids: npt.NDArray[np.uint64], labels: npt.NDArray[np.int64]
    ) -> None:
        self._rows, self._pool_ids, self._labels = [rows], [pool_ids], [labels]

    def append(
        self, rows: npt.NDArray[np.int64], pool_ids: npt.NDArray[np.uint64], labels: npt.NDArray[np.int64]
    ) -> None:
        """Add labels."""
        self._rows.append(rows)
        self._pool_ids.append(pool_ids)
        self._labels.append(labels)

    def joined(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
        """Return (rows [L], pool ids [L], labels [L]), not to be written to."""
        self._rows = [np.concatenate(self._rows)]
        self._pool_ids = [np.concatenate(self._pool_ids)]
        self._labels = [np.concatenate(self._labels)]
        return self._rows[0], self._pool_ids[0], self._labels[0]


@dataclass(kw_only=True)
class MirroredCampaign:
    """One campaign; `membership` and `labels` are None while its pool is not served."""

    row: CampaignRow
    labeled: int
    leased: int
    rounds: int
    memory: bytes = b""
    membership: Membership | None = None
    labels: LabelLog | None = None

    def info(self) -> CampaignInfo:
        """Return the campaign and its counts now."""
        return CampaignInfo(
            id=self.row.id,
            name=self.row.name,
            pool=self.row.pool,
            seed=self.row.seed,
            create_time=self.row.create_time,
            labeled=self.labeled,
            leased=self.leased,
            unlabeled=0 if self.membership is None else self.membership.free,
            rounds=self.rounds,
        )


class Mirror:
    """All campaigns and served pools."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._pools: dict[str, ServedPool] = {}
        self._campaigns: dict[str, MirroredCampaign] = {}  # by id, in order of creation
        self._ids: dict[str, str] = {}  # name -> id
        for row in ledger.campaigns():
            self._campaigns[row.id] = MirroredCampaign(
                row=row,
                labeled=ledger.label_count(row.key),
                leased=ledger.lease_count(row.key),
                rounds=row.rounds,
                memory=row.memory,
            )
            self._ids[row.name] = row.id

    def serve(self, pool: str, served: ServedPool) -> None:
        """Make a pool's campaigns usable. O(N) bytes and O(labels + leases) time for each."""
        self._pools[pool] = served
        for campaign in self._campaigns.values():
            if campaign.row.pool == pool:
                pool_ids, labels = self._ledger.labels(campaign.row.key)
                rows = served.rows_of(pool_ids)
                campaign.labels = LabelLog(rows[rows >= 0], pool_ids[rows >= 0], labels[rows >= 0])
                campaign.membership = Membership(
                    served.size,
                    labeled=rows,
                    leased=served.rows_of(self._ledger.leased_ids(campaign.row.key)),
                )

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
        membership = Membership(self._pools[row.pool].size, labeled=nothing, leased=nothing)
        log = LabelLog(nothing, nothing.astype(np.uint64), nothing)
        return MirroredCampaign(row=row, labeled=0, leased=0, rounds=0, membership=membership, labels=log)

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

    def find_served(self, id_or_name: str) -> tuple[MirroredCampaign, ServedPool, Membership]:
        """Return a campaign with its pool; raises CAMPAIGN_NOT_FOUND or POOL_NOT_FOUND."""
        campaign = self.find(id_or_name)
        if campaign.membership is None:
            raise errors.pool_not_found(campaign.row.pool)
        return campaign, self._pools[campaign.row.pool], campaign.membership

    def infos(self, pool: str | None) -> tuple[CampaignInfo, ...]:
        """Return the campaigns of a pool (None or "": of all) in order of creation."""
        return tuple(one.info() for one in self._campaigns.values() if not pool or one.row.pool == pool)
