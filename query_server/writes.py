"""How a write is named by its caller, so that it can be sent again; a leaf that transport, ledger and journal share."""

from __future__ import annotations

from query_server.errors import invalid_argument

MAX_REQUEST_ID_LENGTH = 128


def check_request_id(request_id: str) -> None:
    """Refuse a request id that is missing or too long, with INVALID_ARGUMENT."""
    if not 1 <= len(request_id) <= MAX_REQUEST_ID_LENGTH:
        raise invalid_argument("request_id", request_id[:40], f"1 to {MAX_REQUEST_ID_LENGTH} characters")
