"""The error itself."""

from collections.abc import Callable, Mapping
from functools import partial

from query_server.errors.reasons import Reason

# Errors quote what they were given, and travel in trailers, of which gRPC takes 8 KiB: the message three times there,
# percent-encoded and in base64.
MAX_MESSAGE_BYTES = 800
MAX_METADATA_BYTES = 200


class DowserError(Exception):
    """A refused call: what was wrong, the limit, the value received, and what to do next.

    Attributes:
        reason: The stable reason.
        metadata: Details a program can read, as errors.proto describes them for the reason.
        retry_after_seconds: When trying again makes sense; None where it does not.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        message = _cut(message, MAX_MESSAGE_BYTES)
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = {
            key: _cut(value, MAX_METADATA_BYTES) for key, value in (metadata or {}).items()
        }
        self.retry_after_seconds = retry_after_seconds

    def __reduce__(self) -> tuple[Callable[..., "DowserError"], tuple[Reason, str]]:
        details = partial(type(self), metadata=self.metadata, retry_after_seconds=self.retry_after_seconds)
        return details, (self.reason, self.message)


def _cut(text: str, limit_bytes: int) -> str:
    """Return a text of at most so many bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit_bytes:
        return data.decode()
    return data[: limit_bytes - len("…".encode())].decode("utf-8", "ignore") + "…"
