"""The asyncio client: the methods of `client.sync_client.Client`, as coroutines.

    async with AsyncClient.connect("127.0.0.1:50051") as client:
        campaign = await client.create_campaign("digits")
        selection = await client.select_samples(campaign, classifier=info, budget=50)

Belongs to the event loop it was made in. A test holds its methods and their parameters equal to the blocking
client's, whose docstrings say more.
"""

from __future__ import annotations

from types import TracebackType

from client import transport
from client.calls.admin import AsyncAdminCalls
from client.calls.augmentation import AsyncAugmentationCalls
from client.calls.campaigns import AsyncCampaignCalls
from client.calls.classifiers import AsyncClassifierCalls
from client.calls.labels import AsyncLabelCalls
from client.calls.leases import AsyncLeaseCalls
from client.calls.pools import AsyncPoolCalls
from client.calls.proposals import AsyncProposalCalls
from client.calls.scored_selection import AsyncScoredSelectionCalls
from client.calls.scoring import AsyncScoringCalls
from client.calls.selection import AsyncSelectionCalls
from client.retry import RetryPolicy
from client.transport import DEFAULT_MESSAGE_BYTES, DEFAULT_TIMEOUT_SECONDS, Settings, TlsConfig


class AsyncClient(
    AsyncPoolCalls,
    AsyncCampaignCalls,
    AsyncLabelCalls,
    AsyncClassifierCalls,
    AsyncSelectionCalls,
    AsyncScoredSelectionCalls,
    AsyncProposalCalls,
    AsyncLeaseCalls,
    AsyncAugmentationCalls,
    AsyncScoringCalls,
    AsyncAdminCalls,
):
    """A connection to a Dowser server; make one with `connect`, inside a running event loop."""

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
    ) -> AsyncClient:
        """Prepare a connection; it is made with the first call, and again whenever it is lost."""
        settings = Settings(
            target=target,
            timeout_seconds=timeout_seconds,
            tls=tls,
            token=token,
            retry=retry or RetryPolicy(),
            max_message_bytes=max_message_bytes,
            allow_insecure_token=allow_insecure_token,
        )
        return cls(transport.open_async_channel(settings), settings)

    async def close(self) -> None:
        """Close the connection; calls in flight are cancelled."""
        await self._channel.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def with_timeout(self, timeout_seconds: float) -> AsyncClient:
        """Return a client on the same connection whose calls have another deadline."""
        return AsyncClient(self._channel, self._settings.with_timeout(timeout_seconds))
