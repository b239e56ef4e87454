"""Why work was not begun, or not ended."""

from query_server.errors.error import DowserError
from query_server.errors.reasons import Reason


def overloaded(what: str, limit: float, retry_after_seconds: float) -> DowserError:
    """Refuse work above a limit for now."""
    return DowserError(
        Reason.OVERLOADED,
        f"{what} is at its limit of {limit:.12g}; try again in {retry_after_seconds:g} s",
        metadata={"limit": f"{limit:.12g}"},
        retry_after_seconds=retry_after_seconds,
    )


def unavailable(message: str, retry_after_seconds: float | None = None) -> DowserError:
    """Refuse while starting or shutting down."""
    return DowserError(Reason.UNAVAILABLE, message, retry_after_seconds=retry_after_seconds)


def deadline_exceeded(stage: str) -> DowserError:
    """Report that the deadline passed in `stage`; nothing was changed."""
    return DowserError(
        Reason.DEADLINE_EXCEEDED,
        f"the deadline passed during {stage}; nothing was changed",
        metadata={"stage": stage},
    )


def cancelled(stage: str) -> DowserError:
    """Report that the caller went away in `stage`; nothing was changed."""
    return DowserError(
        Reason.CANCELLED,
        f"the call was cancelled during {stage}; nothing was changed",
        metadata={"stage": stage},
    )


def extra_not_installed(package: str, extra: str) -> DowserError:
    """Refuse what the server was installed without."""
    return DowserError(
        Reason.EXTRA_NOT_INSTALLED,
        f'the server has no {package}; its administrator installs it with: pip install "dowser-al[{extra}]"',
        metadata={"package": package, "extra": extra},
    )
