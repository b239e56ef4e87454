"""What is wrong about a campaign, its labels or its budget."""

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def campaign_not_found(campaign_id: str) -> DowserError:
    """Refuse a campaign id or name that is not in the ledger."""
    return DowserError(
        Reason.CAMPAIGN_NOT_FOUND,
        f"there is no campaign with the id or name {campaign_id!r}; ListCampaigns names those there are",
        metadata={"campaign_id": campaign_id},
    )


def campaign_exists(name: str) -> DowserError:
    """Refuse a second campaign of one name."""
    return DowserError(
        Reason.CAMPAIGN_EXISTS,
        f"a campaign named {name!r} exists; choose another name or delete it first",
        metadata={"name": name},
    )


def budget_exceeds_pool(budget: int, available: int, *, scored: bool = False) -> DowserError:
    """Refuse a budget above what is neither labeled nor leased; `scored`: above the scored candidates still there."""
    if scored:
        held, remedy = "scored candidates that the pool still holds", "propose again"
    else:
        held = "samples that are neither labeled nor leased"
        remedy = "release what is leased and will not be labeled"
    return DowserError(
        Reason.BUDGET_EXCEEDS_POOL,
        f"a budget of {budget} is above the {available} {held}; ask for fewer, or {remedy}",
        metadata={"budget": str(budget), "available": str(available)},
    )


def label_conflict(pool_id: int, recorded: int, given: int) -> DowserError:
    """Refuse a label that contradicts the recorded one."""
    return DowserError(
        Reason.LABEL_CONFLICT,
        f"sample {pool_id} has the label {recorded} in this campaign and the call says {given}; "
        "nothing of the call was recorded",
        metadata={"pool_id": str(pool_id), "recorded": str(recorded), "given": str(given)},
    )


def label_not_found(pool_id: int, missing: int) -> DowserError:
    """Refuse to correct or retract what was never recorded; names the first sample and how many there are."""
    return DowserError(
        Reason.LABEL_NOT_FOUND,
        f"sample {pool_id} has no label in this campaign, as have {missing} of the samples given; record labels first, "
        "nothing of the call was changed",
        metadata={"pool_id": str(pool_id), "missing": str(missing)},
    )
