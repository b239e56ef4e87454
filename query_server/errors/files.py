"""What is wrong with a file or its disk."""

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def corrupt_file(file: object, why: str) -> DowserError:
    """Report a damaged or foreign file; `why` says what to do about it."""
    return DowserError(Reason.CORRUPT_FILE, f"{file}: {why}", metadata={"file": str(file)})


def storage_full(path: object, why: str) -> DowserError:
    """Report that the disk has no room for a write; nothing was changed."""
    return DowserError(
        Reason.STORAGE_FULL,
        f"{path}: the disk has no room ({why}); nothing was changed; free some space and send the request again",
        metadata={"path": str(path)},
    )
