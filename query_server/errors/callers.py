"""Who may not do what."""

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def unauthenticated(why: str) -> DowserError:
    """Refuse a caller that did not prove who it is; `why` never quotes what it sent."""
    return DowserError(
        Reason.UNAUTHENTICATED,
        f"{why}; send the metadata 'authorization: Bearer TOKEN' with a token from the server's administrator",
        metadata={"scheme": "Bearer"},
    )


def permission_denied(caller: str, method: str, role: str) -> DowserError:
    """Refuse a method to a caller whose token lacks its role."""
    return DowserError(
        Reason.PERMISSION_DENIED,
        f"{method} needs a token with the role {role}, and {caller} has none such",
        metadata={"caller": caller, "method": method, "role": role},
    )
