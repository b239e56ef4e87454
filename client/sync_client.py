"""The blocking client: one method for each RPC.

    with Client.connect("127.0.0.1:50051") as client:
        campaign = client.create_campaign("digits")
        selection = client.select_samples(campaign, classifier=info, budget=50)

Safe to share between threads. Every method raises a `client.errors.DowserError` where the call fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import grpc
import numpy as np
from numpy.typing import NDArray

from client import transport
from client.conversion import requests
from client.conversion.call import Call
from client.retry import RetryPolicy
from client.transport import DEFAULT_MESSAGE_BYTES, DEFAULT_TIMEOUT_SECONDS, Settings, TlsConfig
from client.types import (
    Acquisition,
    Batch,
    Campaign,
    ClassifierInfo,
    Dowser,
    Label,
    LabelsRecorded,
    ModelSource,
    Neighbors,
    Pool,
    PoolIds,
    Selection,
    Strategy,
    Synthesis,
)

T = TypeVar("T")


class Client:
    """A connection to a Dowser server; make one with `connect`."""

    def __init__(self, channel: grpc.Channel, settings: Settings) -> None:
        self._channel = channel
        self._settings = settings

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

    # Pools

    def list_pools(self) -> tuple[Pool, ...]:
        """Return the pools that the server serves."""
        return self._send(requests.list_pools())

    def get_pool(self, name: str = "") -> Pool:
        """Return one pool; no name means the server's only one."""
        return self._send(requests.get_pool(name))

    def get_samples(self, pool_ids: PoolIds, *, pool: str = "") -> NDArray[Any]:
        """Return raw samples [n, *raw_shape] in the order of the ids, however many calls that takes."""
        pages = [self._send(call) for call in requests.get_samples(pool_ids, pool=pool)]
        return pages[0] if len(pages) == 1 else np.concatenate(pages)

    def search_neighbors(
        self,
        *,
        samples: NDArray[Any] | None = None,
        features: NDArray[Any] | None = None,
        pool_ids: PoolIds | None = None,
        k: int,
        campaign: Campaign | str | None = None,
        pool: str = "",
        min_index_version: int = 0,
    ) -> Neighbors:
        """Find the nearest pool samples of each query.

        Args:
            samples: Queries as raw samples [n, *raw_shape] or model inputs float32 [n, *input_shape]; or
            features: queries as features float32 [n, D]; or
            pool_ids: queries as samples of the pool. Exactly one of the three.
            k: Neighbors per query.
            campaign: Leave out what is labeled or leased in this campaign.
            pool: The pool; empty means the server's only one.
            min_index_version: Refuse to answer from an older index.
        """
        return self._send(
            requests.search_neighbors(
                samples=samples,
                features=features,
                pool_ids=pool_ids,
                k=k,
                campaign=campaign,
                pool=pool,
                min_index_version=min_index_version,
            )
        )

    # Campaigns

    def create_campaign(
        self, name: str, *, pool: str = "", seed: int = 0, request_id: str | None = None
    ) -> Campaign:
        """Start a labeling project; selections that name no seed derive theirs from `seed` and the round."""
        return self._send(requests.create_campaign(name, pool=pool, seed=seed, request_id=request_id))

    def get_campaign(self, campaign: Campaign | str) -> Campaign:
        """Return a campaign as it stands now, given its id or name."""
        return self._send(requests.get_campaign(campaign))

    def list_campaigns(self, *, pool: str = "") -> tuple[Campaign, ...]:
        """Return the campaigns of a pool, or of all pools, in order of creation."""
        return self._send(requests.list_campaigns(pool=pool))

    def delete_campaign(self, campaign: Campaign | str, *, request_id: str | None = None) -> None:
        """Delete a campaign with its labels and leases."""
        self._send(requests.delete_campaign(campaign, request_id=request_id))

    def list_labels(self, campaign: Campaign | str, *, page_size: int = 10_000) -> Iterator[Label]:
        """Yield the labels of a campaign in the order they were recorded, fetching a page at a time."""
        token = ""
        while True:
            page = self._send(requests.list_labels(campaign, page_size=page_size, page_token=token))
            yield from page.labels
            token = page.next_page_token
            if not token:
                return

    def list_leases(self, campaign: Campaign | str) -> NDArray[np.uint64]:
        """Return the ids handed out and not labeled yet, uint64 [n], ascending."""
        return self._send(requests.list_leases(campaign))

    # Classifiers

    def upload_classifier(self, model: ModelSource, *, pool: str = "") -> ClassifierInfo:
        """Upload the classifier of the current round; the same bytes again are cheap.

        Args:
            model: ONNX, best with its gradient (`export_classifier`): bytes, a path or an `onnx.ModelProto`.
            pool: The pool whose samples it takes; empty means the server's only one.
        """
        return self._send(requests.upload_classifier(model, pool=pool))

    def get_classifier(self, classifier: ClassifierInfo | str) -> ClassifierInfo:
        """Return what the server knows of an uploaded classifier."""
        return self._send(requests.get_classifier(classifier))

    # Selection

    def select_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        budget: int,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Strategy = Dowser(),
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        return_synthetic: bool = False,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Selection:
        """Pick the samples to label next and lease them to the campaign.

        Args:
            campaign: The campaign, its id or its name.
            classifier: An uploaded classifier; only the `Random` strategy does without.
            budget: How many samples to pick.
            acquisition: What counts as informative.
            strategy: `Dowser`, or one of the baselines `Exhaustive`, `Random` and `RandomSubset`.
            batch: How the batch is made of what was scored; None means the strategy's default.
            class_prior_weight: Exponent of the expected rarity, among the labels so far, that scores are multiplied
                by; 0 leaves them as they are.
            seed: Same seed, same campaign state, same answer; None derives one from the campaign's.
            return_synthetic: Return the synthetic samples too.
            min_index_version: Refuse to answer from an older index.
            request_id: Names this selection: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.select_samples(
                campaign,
                classifier=classifier,
                budget=budget,
                acquisition=acquisition,
                strategy=strategy,
                batch=batch,
                class_prior_weight=class_prior_weight,
                seed=seed,
                return_synthetic=return_synthetic,
                min_index_version=min_index_version,
                request_id=request_id,
            )
        )

    def record_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRecorded:
        """Record what the oracle said, {pool_id: class}; all or none, at most 100,000 a call."""
        return self._send(
            requests.record_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    def release_samples(
        self, campaign: Campaign | str, pool_ids: PoolIds, *, request_id: str | None = None
    ) -> int:
        """Give leased samples back unlabeled; returns how many were leased."""
        return self._send(requests.release_samples(campaign, pool_ids, request_id=request_id))

    def synthesize_samples(
        self,
        classifier: ClassifierInfo | str,
        *,
        pool: str = "",
        acquisition: Acquisition | str = Acquisition.MAXIMUM_ENTROPY,
        latents: int = 10,
        steps: int | None = None,
        step_size: float | None = None,
        seed: int = 0,
    ) -> Synthesis:
        """Return informative synthetic samples without touching the pool."""
        return self._send(
            requests.synthesize_samples(
                classifier,
                pool=pool,
                acquisition=acquisition,
                latents=latents,
                steps=steps,
                step_size=step_size,
                seed=seed,
            )
        )

    def _send(self, call: Call[T]) -> T:
        return transport.send(self._channel, call, self._settings)
