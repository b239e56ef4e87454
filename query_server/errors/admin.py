"""What the server's administrator was refused."""

from collections.abc import Mapping

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def reload_refused(why: str, what: str, metadata: Mapping[str, str] | None = None) -> DowserError:
    """Refuse to serve something new; `why` is the reason underneath it, `what` says what is wrong."""
    return DowserError(
        Reason.RELOAD_REFUSED,
        f"not reloaded, what was served before goes on: {what}",
        metadata={**(metadata or {}), "why": why},
    )


def snapshot_refused(name: str, why: str, what: str) -> DowserError:
    """Report that no snapshot was made; `why` is for programs, `what` says what to do."""
    return DowserError(
        Reason.SNAPSHOT_REFUSED, f"no snapshot {name!r}: {what}", metadata={"name": name, "why": why}
    )


def compaction_refused(pool: str, why: str, what: str) -> DowserError:
    """Report that a pool was not compacted; `why` is for programs, `what` says what is wrong and what to do."""
    return DowserError(
        Reason.COMPACTION_REFUSED,
        f"pool {pool!r} was not compacted, what was served before goes on: {what}",
        metadata={"pool": pool, "why": why},
    )
