"""The asyncio client: the methods of `client.sync_client.Client`, as coroutines.

    async with AsyncClient.connect("127.0.0.1:50051") as client:
        campaign = await client.create_campaign("digits")
        selection = await client.select_samples(campaign, classifier=info, budget=50)

Belongs to the event loop it was made in. A test holds its methods and their parameters equal to the blocking
client's, whose docstrings say more.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar, cast

import grpc
import numpy as np
from numpy.typing import NDArray

from client import transport
from client.conversion import requests
from client.conversion.call import Call
from client.errors import DowserError, InvalidArgumentError
from client.retry import RetryPolicy
from client.scores import Scores
from client.transport import DEFAULT_MESSAGE_BYTES, DEFAULT_TIMEOUT_SECONDS, Settings, TlsConfig
from client.types.acquisition import Acquisition
from client.types.admin import Compacted, Reloaded, SnapshotInfo
from client.types.augmentation import Companions
from client.types.campaigns import Campaign, CampaignImported, Round
from client.types.classifiers import ClassifierInfo, ModelSource
from client.types.labels import Label, LabelEvent, LabelsCorrected, LabelsRecorded, LabelsRetracted
from client.types.leases import LeasesExtended, LeaseTerm
from client.types.pools import Neighbors, Pool, PoolIds, SamplesAdded, SamplesRemoved
from client.types.proposals import Proposal
from client.types.scoring import SampleScores, ScoreJob
from client.types.selection import Selection, Synthesis
from client.types.strategies import Batch, Dowser, Strategy

T = TypeVar("T")


class AsyncClient:
    """A connection to a Dowser server; make one with `connect`, inside a running event loop."""

    def __init__(self, channel: grpc.aio.Channel, settings: Settings) -> None:
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

    # Pools

    async def list_pools(self) -> tuple[Pool, ...]:
        """Return the pools that the server serves."""
        return await self._send(requests.list_pools())

    async def get_pool(self, name: str = "") -> Pool:
        """Return one pool; no name means the server's only one."""
        return await self._send(requests.get_pool(name))

    async def get_samples(self, pool_ids: PoolIds, *, pool: str = "") -> NDArray[Any]:
        """Return raw samples [n, *raw_shape] in the order of the ids, however many calls that takes."""
        pages = [await self._send(call) for call in requests.get_samples(pool_ids, pool=pool)]
        return pages[0] if len(pages) == 1 else np.concatenate(pages)

    async def search_neighbors(
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
        """Find the nearest pool samples of each query."""
        return await self._send(
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

    async def add_samples(
        self,
        samples: NDArray[Any] | None = None,
        *,
        features: NDArray[Any] | None = None,
        pool_ids: PoolIds | None = None,
        pool: str = "",
        request_id: str | None = None,
    ) -> SamplesAdded:
        """Add samples to a pool, all or none; they can be selected once this returns, and after any restart.

        Args:
            samples: Raw samples [n, *raw_shape], at most 100,000; or
            features: float32 [n, D] of the served bundle's encoder, for pools that keep no samples.
            pool_ids: Ids the pool never held; None has the server assign the next ones.
            pool: The pool; empty means the server's only one.
            request_id: Names this write: sent again, it returns the same answer. None makes one.
        """
        return await self._send(
            requests.add_samples(
                samples, features=features, pool_ids=pool_ids, pool=pool, request_id=request_id
            )
        )

    async def remove_samples(
        self, pool_ids: PoolIds, *, pool: str = "", request_id: str | None = None
    ) -> SamplesRemoved:
        """Remove samples from a pool, all or none and for good; no selection returns them once this returns."""
        return await self._send(requests.remove_samples(pool_ids, pool=pool, request_id=request_id))

    # Campaigns

    async def create_campaign(
        self, name: str, *, pool: str = "", seed: int = 0, request_id: str | None = None
    ) -> Campaign:
        """Start a labeling project; selections that name no seed derive theirs from `seed` and the round."""
        return await self._send(requests.create_campaign(name, pool=pool, seed=seed, request_id=request_id))

    async def get_campaign(self, campaign: Campaign | str) -> Campaign:
        """Return a campaign as it stands now, given its id or name."""
        return await self._send(requests.get_campaign(campaign))

    async def list_campaigns(self, *, pool: str = "") -> tuple[Campaign, ...]:
        """Return the campaigns of a pool, or of all pools, in order of creation."""
        return await self._send(requests.list_campaigns(pool=pool))

    async def delete_campaign(self, campaign: Campaign | str, *, request_id: str | None = None) -> None:
        """Delete a campaign with its labels and leases."""
        await self._send(requests.delete_campaign(campaign, request_id=request_id))

    async def list_labels(self, campaign: Campaign | str, *, page_size: int = 10_000) -> AsyncIterator[Label]:
        """Yield the labels of a campaign in the order they were recorded, fetching a page at a time."""
        token = ""
        while True:
            page = await self._send(requests.list_labels(campaign, page_size=page_size, page_token=token))
            for label in page.labels:
                yield label
            token = page.next_page_token
            if not token:
                return

    async def list_leases(self, campaign: Campaign | str) -> NDArray[np.uint64]:
        """Return the ids handed out and not labeled yet, uint64 [n], ascending."""
        return await self._send(requests.list_leases(campaign))

    async def list_lease_terms(self, campaign: Campaign | str) -> tuple[LeaseTerm, ...]:
        """Return what is handed out and not labeled yet, with its round and when it ends, by ascending id."""
        return await self._send(requests.list_lease_terms(campaign))

    async def extend_leases(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        seconds: float = 0.0,
        round: int = 0,
        request_id: str | None = None,
    ) -> LeasesExtended:
        """Let leases end so many seconds from now, unless they end later already; at most 100,000 a call."""
        return await self._send(
            requests.extend_leases(campaign, pool_ids, seconds=seconds, round=round, request_id=request_id)
        )

    async def correct_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsCorrected:
        """Give labeled samples other labels, {pool_id: class}; all or none, at most 100,000 a call."""
        return await self._send(
            requests.correct_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    async def retract_labels(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRetracted:
        """Take labels back, all or none, so that their samples can be selected again; at most 100,000 a call."""
        return await self._send(
            requests.retract_labels(campaign, pool_ids, annotator=annotator, request_id=request_id)
        )

    async def list_label_history(
        self, campaign: Campaign | str, *, page_size: int = 10_000
    ) -> AsyncIterator[LabelEvent]:
        """Yield all that was ever said of a campaign's samples, in its order, fetching a page at a time."""
        token = ""
        while True:
            page = await self._send(
                requests.list_label_history(campaign, page_size=page_size, page_token=token)
            )
            for event in page.events:
                yield event
            token = page.next_page_token
            if not token:
                return

    async def list_rounds(self, campaign: Campaign | str) -> tuple[Round, ...]:
        """Return the selections of a campaign in their order."""
        return await self._send(requests.list_rounds(campaign))

    async def import_campaign(
        self,
        name: str,
        *,
        pool: str = "",
        seed: int = 0,
        events: Iterable[LabelEvent] = (),
        leases: Iterable[LeaseTerm] = (),
        rounds: Iterable[Round] = (),
        skip_unknown: bool = False,
        request_id: str | None = None,
    ) -> CampaignImported:
        """Make a campaign of what another one held, all of it or nothing; `client.campaign_files` reads exports."""
        return await self._send(
            requests.import_campaign(
                name,
                pool=pool,
                seed=seed,
                events=events,
                leases=leases,
                rounds=rounds,
                skip_unknown=skip_unknown,
                request_id=request_id,
            )
        )

    # Classifiers

    async def upload_classifier(self, model: ModelSource, *, pool: str = "") -> ClassifierInfo:
        """Upload the classifier of the current round; the same bytes again are cheap."""
        return await self._send(requests.upload_classifier(model, pool=pool))

    async def get_classifier(self, classifier: ClassifierInfo | str) -> ClassifierInfo:
        """Return what the server knows of an uploaded classifier."""
        return await self._send(requests.get_classifier(classifier))

    # Selection

    async def select_samples(
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
        """Pick the samples to label next and lease them to the campaign."""
        return await self._send(
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

    async def propose_samples(
        self,
        campaign: Campaign | str,
        *,
        budget: int,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Dowser = Dowser(),
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Proposal:
        """Name candidates for you to score, and lease them until they are committed or released."""
        return await self._send(
            requests.propose_samples(
                campaign,
                budget=budget,
                classifier=classifier,
                acquisition=acquisition,
                strategy=strategy,
                class_prior_weight=class_prior_weight,
                seed=seed,
                min_index_version=min_index_version,
                request_id=request_id,
            )
        )

    async def commit_selection(
        self,
        campaign: Campaign | str,
        proposal: Proposal | str,
        scores: Scores,
        *,
        budget: int,
        pool_ids: PoolIds | None = None,
        acquisition: Acquisition | str | None = None,
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        request_id: str | None = None,
    ) -> Selection:
        """Pick among a proposal's candidates by your scores; the leases of the others end."""
        return await self._send(
            requests.commit_selection(
                campaign,
                proposal,
                scores,
                budget=budget,
                pool_ids=pool_ids,
                acquisition=acquisition,
                batch=batch,
                class_prior_weight=class_prior_weight,
                request_id=request_id,
            )
        )

    async def select_by_scoring(
        self,
        campaign: Campaign | str,
        score: Callable[[NDArray[np.uint64]], Scores | Awaitable[Scores]],
        *,
        budget: int,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.MARGIN,
        strategy: Dowser = Dowser(),
        batch: Batch | None = None,
        class_prior_weight: float = 0.0,
        seed: int | None = None,
        min_index_version: int = 0,
        request_id: str | None = None,
    ) -> Selection:
        """Propose, score with your own function, commit: `select_samples` where the samples are not on the server.

        `score` is a coroutine function, or a plain one, which runs on a thread.
        """
        proposal = await self.propose_samples(
            campaign,
            budget=budget,
            classifier=classifier,
            acquisition=acquisition,
            strategy=strategy,
            class_prior_weight=class_prior_weight,
            seed=seed,
            min_index_version=min_index_version,
            request_id=None if request_id is None else f"{request_id}:proposal",
        )
        try:
            scores = await _scored(score, proposal.pool_ids)
        except BaseException:
            # The leases would keep the candidates from everybody.
            with contextlib.suppress(DowserError):
                await self.release_samples(campaign, proposal.pool_ids)
            raise
        try:
            return await self.commit_selection(
                campaign,
                proposal,
                scores,
                budget=budget,
                acquisition=acquisition,
                batch=batch,
                class_prior_weight=class_prior_weight,
                request_id=request_id,
            )
        except InvalidArgumentError:
            # Refused, so nothing was picked; after any other error a repeated request may still find its answer.
            with contextlib.suppress(DowserError):
                await self.release_samples(campaign, proposal.pool_ids)
            raise

    async def record_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRecorded:
        """Record what the oracle said, {pool_id: class}; all or none, at most 100,000 a call."""
        return await self._send(
            requests.record_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    async def release_samples(
        self, campaign: Campaign | str, pool_ids: PoolIds, *, request_id: str | None = None
    ) -> int:
        """Give leased samples back unlabeled; returns how many were leased."""
        return await self._send(requests.release_samples(campaign, pool_ids, request_id=request_id))

    async def synthesize_samples(
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
        return await self._send(
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

    async def augment_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.BALD,
        threshold: float | Selection | str | None = None,
        pool_ids: PoolIds | None = None,
        limit: int | None = None,
    ) -> Companions:
        """Return generated companions of uncertain labeled samples; arguments as in `Client.augment_samples`."""
        return await self._send(
            requests.augment_samples(
                campaign,
                classifier=classifier,
                acquisition=acquisition,
                threshold=threshold,
                pool_ids=pool_ids,
                limit=limit,
            )
        )

    # Scoring

    async def start_score_pool(
        self,
        classifier: ClassifierInfo | str,
        *,
        acquisitions: Iterable[Acquisition | str] = (Acquisition.MARGIN,),
        pool_ids: PoolIds | None = None,
        probabilities: bool = False,
        embedding: bool = False,
        shard_size: int | None = None,
        pool: str = "",
        request_id: str | None = None,
    ) -> ScoreJob:
        """Begin to score a pool into Parquet shards on the server; the job goes on by itself after a restart.

        Args:
            classifier: An uploaded classifier.
            acquisitions: What to score by, a column each; one pass of the classifier serves all.
            pool_ids: Samples to score, each once, in the order of the rows written; None means all the pool holds.
            probabilities: Write class probabilities too.
            embedding: Write the classifier's embedding too.
            shard_size: Samples of a shard; None means 100,000.
            pool: The pool; empty means the server's only one.
            request_id: Names this call: sent again, it returns the same job. None makes one.
        """
        return await self._send(
            requests.start_score_pool(
                classifier,
                acquisitions=acquisitions,
                pool_ids=pool_ids,
                probabilities=probabilities,
                embedding=embedding,
                shard_size=shard_size,
                pool=pool,
                request_id=request_id,
            )
        )

    async def get_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """Return a score job as it stands now."""
        return await self._send(requests.get_score_job(job))

    async def list_score_jobs(self) -> tuple[ScoreJob, ...]:
        """Return the score jobs that the server keeps, in the order they were started, without their shards."""
        return await self._send(requests.list_score_jobs())

    async def cancel_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """End a score job; what it has written can still be read."""
        return await self._send(requests.cancel_score_job(job))

    async def read_score_shard(self, job: ScoreJob | str, shard: int) -> bytes:
        """Return the Parquet file of a finished shard, however many calls that takes."""
        data = bytearray()
        while part := await self._send(requests.read_score_shard(job, shard, offset=len(data))):
            data += part
        return bytes(data)

    async def score_samples(
        self,
        classifier: ClassifierInfo | str,
        *,
        pool_ids: PoolIds | None = None,
        samples: NDArray[Any] | None = None,
        acquisitions: Iterable[Acquisition | str] = (Acquisition.MARGIN,),
        probabilities: bool = False,
        embedding: bool = False,
        pool: str = "",
    ) -> SampleScores:
        """Score samples now, streamed in chunks; nothing is leased.

        Args:
            classifier: An uploaded classifier.
            pool_ids: Samples of the pool; or
            samples: raw samples [n, *raw_shape] or model inputs float32 [n, *input_shape]. Exactly one of the two.
            acquisitions: What to score by.
            probabilities: Return class probabilities too.
            embedding: Return the classifier's embedding too.
            pool: The pool; empty means the server's only one.
        """
        return await self._send(
            requests.score_samples(
                classifier,
                pool_ids=pool_ids,
                samples=samples,
                acquisitions=acquisitions,
                probabilities=probabilities,
                embedding=embedding,
                pool=pool,
            )
        )

    # Administration

    async def reload(self) -> Reloaded:
        """Have the server open its bundle and index anew and serve them; a bad new one is refused, the old goes on."""
        return await self._send(requests.reload())

    async def compact_pool(self, *, pool: str = "") -> Compacted:
        """Have the server fold what was added and removed into a new index, and wait until it serves it.

        For a large pool that takes minutes; where the timeout is shorter the server goes on without its caller.

        Args:
            pool: Its name; empty means the one that is served.
        """
        return await self._send(requests.compact_pool(pool))

    async def snapshot(self, name: str, *, request_id: str | None = None) -> SnapshotInfo:
        """Have the server copy bundle, index and state into its snapshots directory.

        Args:
            name: Of the copy there; one that ends in ".tar" makes one file, any other a directory.
            request_id: Names this snapshot: sent again, it returns the same answer. None makes one.
        """
        return await self._send(requests.snapshot(name, request_id=request_id))

    async def _send(self, call: Call[T]) -> T:
        return await transport.send_async(self._channel, call, self._settings)


async def _scored(
    score: Callable[[NDArray[np.uint64]], Scores | Awaitable[Scores]], pool_ids: NDArray[np.uint64]
) -> Scores:
    """Call a scoring function without blocking the event loop."""
    if inspect.iscoroutinefunction(score):
        return cast(Scores, await score(pool_ids))
    return await asyncio.to_thread(cast(Callable[[NDArray[np.uint64]], Scores], score), pool_ids)
