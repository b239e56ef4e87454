"""The blocking client: one method for each RPC.

    with Client.connect("127.0.0.1:50051") as client:
        campaign = client.create_campaign("digits")
        selection = client.select_samples(campaign, classifier=info, budget=50)

Safe to share between threads. Every method raises a `client.errors.DowserError` where the call fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

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

    def add_samples(
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
        return self._send(
            requests.add_samples(
                samples, features=features, pool_ids=pool_ids, pool=pool, request_id=request_id
            )
        )

    def remove_samples(
        self, pool_ids: PoolIds, *, pool: str = "", request_id: str | None = None
    ) -> SamplesRemoved:
        """Remove samples from a pool, all or none and for good; no selection returns them once this returns."""
        return self._send(requests.remove_samples(pool_ids, pool=pool, request_id=request_id))

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

    def list_lease_terms(self, campaign: Campaign | str) -> tuple[LeaseTerm, ...]:
        """Return what is handed out and not labeled yet, with its round and when it ends, by ascending id."""
        return self._send(requests.list_lease_terms(campaign))

    def extend_leases(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        seconds: float = 0.0,
        round: int = 0,
        request_id: str | None = None,
    ) -> LeasesExtended:
        """Let leases end so many seconds from now, unless they end later already; at most 100,000 a call.

        Args:
            campaign: The campaign, its id or its name.
            pool_ids: The samples; those that are not leased any more are named in the answer.
            seconds: 0 means the server's term of new leases.
            round: Extend leases of this round only; 0 means of any. What has lapsed may be leased to another since.
            request_id: Names this call: sent again, it returns the same answer. None makes one.
        """
        return self._send(
            requests.extend_leases(campaign, pool_ids, seconds=seconds, round=round, request_id=request_id)
        )

    def correct_labels(
        self,
        campaign: Campaign | str,
        labels: Mapping[int, int] | Iterable[tuple[int, int]],
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsCorrected:
        """Give labeled samples other labels, {pool_id: class}; all or none, at most 100,000 a call."""
        return self._send(
            requests.correct_labels(campaign, labels, annotator=annotator, request_id=request_id)
        )

    def retract_labels(
        self,
        campaign: Campaign | str,
        pool_ids: PoolIds,
        *,
        annotator: str = "",
        request_id: str | None = None,
    ) -> LabelsRetracted:
        """Take labels back, all or none, so that their samples can be selected again; at most 100,000 a call."""
        return self._send(
            requests.retract_labels(campaign, pool_ids, annotator=annotator, request_id=request_id)
        )

    def list_label_history(
        self, campaign: Campaign | str, *, page_size: int = 10_000
    ) -> Iterator[LabelEvent]:
        """Yield all that was ever said of a campaign's samples, in its order, fetching a page at a time."""
        token = ""
        while True:
            page = self._send(requests.list_label_history(campaign, page_size=page_size, page_token=token))
            yield from page.events
            token = page.next_page_token
            if not token:
                return

    def list_rounds(self, campaign: Campaign | str) -> tuple[Round, ...]:
        """Return the selections of a campaign in their order."""
        return self._send(requests.list_rounds(campaign))

    def import_campaign(
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
        """Make a campaign of what another one held, all of it or nothing; `client.campaign_files` reads exports.

        Args:
            name: Of the new campaign.
            pool: The pool; empty means the server's only one.
            seed: Seeds of selections that name none are derived from this and the round.
            events: The history of its labels, in its order.
            leases: What is handed out and not labeled.
            rounds: The selections made.
            skip_unknown: Leave out samples that the pool does not hold, instead of refusing.
            request_id: Names this call: sent again, it returns the same answer. None makes one.
        """
        return self._send(
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

    def propose_samples(
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
        """Name candidates for you to score, and lease them until `commit_selection` or `release_samples`.

        For pools whose samples are not on the server, and for scores that it cannot compute.

        Args:
            campaign: The campaign, its id or its name.
            budget: How many samples will be picked.
            classifier: An uploaded classifier, for synthesis alone; without one nothing is synthesized.
            acquisition: What synthesis climbs.
            strategy: Its `max_scored` is how many candidates; sources that look at scores (climb, surrogate) get none.
            class_prior_weight: As for `select_samples`.
            seed: Same seed, same campaign state, same answer; None derives one from the campaign's.
            min_index_version: Refuse to answer from an older index.
            request_id: Names this proposal: sent again, it returns the same answer. None makes one.
        """
        return self._send(
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

    def commit_selection(
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
        """Pick among a proposal's candidates by your scores; the leases of the others end.

        Args:
            campaign: The campaign, its id or its name.
            proposal: What `propose_samples` returned, or its `proposal_id`.
            scores: In the order of `pool_ids`.
            budget: How many samples to pick.
            pool_ids: The candidates that were scored; None means all of the proposal.
            acquisition: What the scores are, for the estimate of capture; None is a score of your own.
            batch: How the batch is made; None means class-balanced.
            class_prior_weight: Exponent of the expected rarity that the server multiplies the scores by.
            request_id: Names this selection: sent again, it returns the same answer. None makes one.
        """
        return self._send(
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

    def select_by_scoring(
        self,
        campaign: Campaign | str,
        score: Callable[[NDArray[np.uint64]], Scores],
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

        Args:
            campaign: The campaign, its id or its name.
            score: Given ids uint64 [M], returns their `Scores`; `OnnxScorer` is one. Where it fails the
                candidates are given back, and another try needs another request_id.
            budget: How many samples to pick.
            classifier: An uploaded classifier, for synthesis alone; without one nothing is synthesized.
            acquisition: What synthesis climbs, and what the scores are.
            strategy: Its `max_scored` is how many candidates you are asked to score at most.
            batch: How the batch is made; None means class-balanced.
            class_prior_weight: As for `select_samples`; the server multiplies your scores.
            seed: Same seed, same campaign state, same answer; None derives one from the campaign's.
            min_index_version: Refuse to answer from an older index.
            request_id: Names this selection, and with ":proposal" behind it its proposal. None makes one.
        """
        proposal = self.propose_samples(
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
            scores = score(proposal.pool_ids)
        except BaseException:
            # The leases would keep the candidates from everybody.
            with contextlib.suppress(DowserError):
                self.release_samples(campaign, proposal.pool_ids)
            raise
        try:
            return self.commit_selection(
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
                self.release_samples(campaign, proposal.pool_ids)
            raise

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

    def augment_samples(
        self,
        campaign: Campaign | str,
        *,
        classifier: ClassifierInfo | str | None = None,
        acquisition: Acquisition | str = Acquisition.BALD,
        threshold: float | Selection | str | None = None,
        pool_ids: PoolIds | None = None,
        limit: int | None = None,
    ) -> Companions:
        """Return generated companions of the labeled samples that a classifier is still uncertain about.

        Needs a bundle that can reconstruct samples (generators "vae" and "vae-acgan"); nothing is changed.

        Args:
            campaign: The campaign, its id or its name.
            classifier: An uploaded classifier; None only without a threshold.
            acquisition: What uncertainty is.
            threshold: Least score; or a selection by the same classifier, whose least informative pick's score it is
                then; or that selection's request_id; None takes every labeled sample.
            pool_ids: Look at these labeled samples alone; None means all of the campaign.
            limit: Companions at most, at most 4096; None means as many as an answer holds.
        """
        return self._send(
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

    def start_score_pool(
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
        return self._send(
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

    def get_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """Return a score job as it stands now."""
        return self._send(requests.get_score_job(job))

    def list_score_jobs(self) -> tuple[ScoreJob, ...]:
        """Return the score jobs that the server keeps, in the order they were started, without their shards."""
        return self._send(requests.list_score_jobs())

    def cancel_score_job(self, job: ScoreJob | str) -> ScoreJob:
        """End a score job; what it has written can still be read."""
        return self._send(requests.cancel_score_job(job))

    def read_score_shard(self, job: ScoreJob | str, shard: int) -> bytes:
        """Return the Parquet file of a finished shard, however many calls that takes."""
        data = bytearray()
        while part := self._send(requests.read_score_shard(job, shard, offset=len(data))):
            data += part
        return bytes(data)

    def score_samples(
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
        return self._send(
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

    def reload(self) -> Reloaded:
        """Have the server open its bundle and index anew and serve them; a bad new one is refused, the old goes on."""
        return self._send(requests.reload())

    def compact_pool(self, *, pool: str = "") -> Compacted:
        """Have the server fold what was added and removed into a new index, and wait until it serves it.

        For a large pool that takes minutes; where the timeout is shorter the server goes on without its caller.

        Args:
            pool: Its name; empty means the one that is served.
        """
        return self._send(requests.compact_pool(pool))

    def snapshot(self, name: str, *, request_id: str | None = None) -> SnapshotInfo:
        """Have the server copy bundle, index and state into its snapshots directory.

        Args:
            name: Of the copy there; one that ends in ".tar" makes one file, any other a directory.
            request_id: Names this snapshot: sent again, it returns the same answer. None makes one.
        """
        return self._send(requests.snapshot(name, request_id=request_id))

    def _send(self, call: Call[T]) -> T:
        return transport.send(self._channel, call, self._settings)
