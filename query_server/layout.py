"""What lies where in the state directory; a leaf that the server and its upkeep share."""

from __future__ import annotations

from query_server.files import file_name

LEDGER = "ledger.sqlite"
CLASSIFIERS = "classifiers"
JOURNALS = "pools"
JOBS = "jobs"


def journal_folder(pool: str) -> str:
    """Return where a pool's journal lies, with a forward slash."""
    return f"{JOURNALS}/{file_name(pool)}"
