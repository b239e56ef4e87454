"""The blocking client: one method for each RPC.

    with Client.connect("127.0.0.1:50051") as client:
        campaign = client.create_campaign("digits")
        selection = client.select_samples(campaign, classifier=info, budget=50)

Safe to share between threads. Every method raises a `client.errors.DowserError` where the call fails.
"""

from __future__ import annotations

from types import TracebackType

from client import transport
from client.calls.admin import AdminCalls
from client.calls.augmentation import AugmentationCalls
from client.calls.campaigns import CampaignCalls
from client.calls.classifiers import ClassifierCalls
from client.calls.labels import LabelCalls
from client.calls.leases import LeaseCalls
from client.calls.pools import PoolCalls
from client.calls.proposals import ProposalCalls
from client.calls.scored_selection import ScoredSelectionCalls
from client.calls.scoring import ScoringCalls
from client.calls.selection import SelectionCalls
from client.retry import RetryPolicy
from client.transport import DEFAULT_MESSAGE_BYTES, DEFAULT_TIMEOUT_SECONDS, Settings, TlsConfig


class Client(
    PoolCalls,
    CampaignCalls,
    LabelCalls,
    ClassifierCalls,
    SelectionCalls,
    ScoredSelectionCalls,
    ProposalCalls,
    LeaseCalls,
    AugmentationCalls,
    ScoringCalls,
    AdminCalls,
):
    """A connection to a Dowser server; make one with `connect`."""

    @classmethod
    def connect(
        cls,
        target: str,
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        tls: TlsConfig | None = None,
        token: str | None = None,
        retry: RetryPolicy | None = None,
        max_message_bytes: int = DEFAULT_MESSAGE_BYTES,
        allow_insecure_token: bool = False,
    ) -> Client:
        """Prepare a connection; it is made with the first call, and again whenever it is lost.

        Args:
            target: "host:port", or any gRPC target.
            timeout_seconds: Deadline of each call, all its attempts and waits included.
            tls: How to secure the connection; None means not at all.
            token: Bearer token sent with each call; needs `tls` unless the server is on this machine.
            retry: When to try again; None means the defaults of `RetryPolicy`.
            max_message_bytes: Largest message sent or received.
            allow_insecure_token: Send the token to another machine without TLS, where something else protects it.

        Raises:
            InvalidArgumentError: A setting makes no sense or a certificate cannot be read.
        """
        settings = Settings(
            target=target,
            timeout_seconds=timeout_seconds,
            tls=tls,
            token=token,
            retry=retry or RetryPolicy(),
            max_message_bytes=max_message_bytes,
            allow_insecure_token=allow_insecure_token,
        )
        return cls(transport.open_channel(settings), settings)

    def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def with_timeout(self, timeout_seconds: float) -> Client:
        """Return a client on the same connection whose calls have another deadline."""
        return Client(self._channel, self._settings.with_timeout(timeout_seconds))
