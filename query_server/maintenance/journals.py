"""The journals of live pools while no server runs; opening one cuts off what a crash left, as the server would."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from query_server.errors import DowserError
from query_server.pool.journal import DATABASE, Journal

__all__ = ["DATABASE", "compacted_index", "journal_problem", "journal_version"]


def journal_version(directory: Path) -> int | None:
    """Return the index version a journal stands at, None where there is none.

    Raises:
        DowserError: CORRUPT_FILE or UNAVAILABLE (a server has it open).
    """
    if not (directory / DATABASE).exists():
        return None
    with closing(Journal.open(directory)) as journal:
        return None if journal.head is None else journal.head.index_version


def compacted_index(directory: Path) -> Path | None:
    """Return the directory of the index that a journal names as compacted, None where it names none.

    Raises:
        DowserError: CORRUPT_FILE or UNAVAILABLE.
    """
    with closing(Journal.open(directory)) as journal:
        return None if journal.compacted is None else directory / journal.compacted.folder


def journal_problem(directory: Path) -> str | None:
    """Return what is wrong with the rows a journal holds, None where nothing is. Reads all of them."""
    try:
        with closing(Journal.open(directory)) as journal:
            journal.verify()
    except DowserError as error:
        return error.message
    return None
