"""The values the client takes and returns.

Plain frozen dataclasses and numpy arrays: what travels on the wire (protobuf) stays inside
`client.conversion`, so that a program using Dowser depends on nothing but these. Arrays in replies are
read-only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from samples import Layout, Preprocessing


class SupportsSerialize(Protocol):
    """An ONNX model in memory (`onnx.ModelProto`), named by what the client needs of it."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - the name is protobuf's
        """Return the model's bytes."""
        ...


ModelSource: TypeAlias = bytes | Path | SupportsSerialize
"""An ONNX classifier: its bytes, the path of its file, or an `onnx.ModelProto`."""


class Acquisition(StrEnum):
    """How informative a sample is to the current classifier; higher is always more informative.

    Where the classifier is stochastic, the functions of one distribution score the mean over its passes.
    """

    MAXIMUM_ENTROPY = "maximum_entropy"
    """Shannon entropy of the predicted distribution, in nats."""
    LEAST_CONFIDENCE = "least_confidence"
    """One minus the largest class probability."""
    MARGIN = "margin"
    """One minus the gap between the two largest class probabilities."""
    MINIMUM_DISTANCE = "minimum_distance"
    """Minus the gap between the two largest logits."""
    VARIATION_RATIO = "variation_ratio"
    """One minus the share of stochastic passes that predict the modal class; needs a stochastic classifier."""
    BALD = "bald"
    """Mutual information of label and weights over the stochastic passes, in nats; needs a stochastic classifier."""
    MEAN_STANDARD_DEVIATION = "mean_standard_deviation"
    """Spread of the passes' probabilities, averaged over classes; needs a stochastic classifier."""
    EPIG = "epig"
    """Mutual information of the label and those of other pool samples, in nats; needs a stochastic classifier."""
    OWN_SCORE = "own_score"
    """The score that the classifier's graph gives by itself (VAAL's discriminator, VaB-AL's probability of error)."""


class CandidateSource(StrEnum):
    """What proposed a candidate."""

    SYNTHESIS = "synthesis"
    """A real neighbor of a synthetic sample."""
    RANDOM = "random"
    """Drawn uniformly from what is unlabeled."""
    EXHAUSTIVE = "exhaustive"
    """Found by scoring the whole unlabeled pool."""
    LABELED_NEIGHBORS = "labeled_neighbors"
    """Near a labeled sample, of the classes with the fewest labels before others (SEALS)."""
    CLASS_ANCHORS = "class_anchors"
    """Near a few labeled anchors drawn for each class alike (AnchorAL)."""
    CARRY_OVER = "carry_over"
    """Scored well in an earlier round and not picked then."""
    CLIMB = "climb"
    """Reached by a best-first walk over nearest neighbors of what was scored."""
    SEALS = "seals"
    """A neighbor of a labeled sample, whatever its class."""
    SURROGATE = "surrogate"
    """Drawn at random and ranked high by a surrogate from features to scores, fitted to what was scored."""
    UNKNOWN = "unknown"
    """A source of a newer server that this client does not know."""

    @classmethod
    def _missing_(cls, value: object) -> CandidateSource:
        return cls.UNKNOWN


class BatchRule(StrEnum):
    """How a batch is drawn from the scored candidates."""

    TOP = "top"
    """The highest scores."""
    POWER = "power"
    """Sampling in proportion to a power of the score (Kirsch et al. 2021)."""
    GIBBS = "gibbs"
    """Sampling in proportion to the exponential of the score (Kirsch et al. 2021)."""
    BADGE = "badge"
    """k-means++ on gradient embeddings (Ash et al. 2020)."""
    K_CENTER = "k_center"
    """Farthest-first traversal from the labeled samples (Sener and Savarese 2018)."""
    CLUSTER_MARGIN = "cluster_margin"
    """Low margins, drawn in turns from clusters, the smallest first (Citovsky et al. 2021)."""
    CLASS_BALANCED = "class_balanced"
    """The highest scores, each divided by the labels its predicted class has so far."""
    BATCH_BALD = "batch_bald"
    """Greedy joint mutual information (Kirsch et al. 2019); needs a stochastic classifier."""
    ANCHOR_DISTANCE = "anchor_distance"
    """As many of each predicted class, in each the farthest from its labels (M2-VAAL, Algorithm 1)."""
    ANCHOR_CONFIDENCE = "anchor_confidence"
    """The least confident, weighted by that distance (M2-VAAL, Algorithm 2)."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool of real samples and the index over it."""

    name: str
    size: int  # N, as it is now
    raw_shape: tuple[int, ...]  # one sample as stored, without N
    raw_dtype: np.dtype[Any]
    input_shape: tuple[int, ...]  # one model input x, without the batch: what a classifier must take
    input_min: float
    input_max: float
    scale: float  # x = raw * scale + offset, then laid out as input_shape
    offset: float
    feature_dim: int  # D
    latent_dim: int  # Z
    index_factory: str
    recall_at_10: float
    index_version: int
    bundle_digest: str
    added: int = 0  # of `size`, the samples that were added since the index was built
    removed: int = 0  # samples that were removed, not part of `size`
    has_samples: bool = (
        True  # whether the server holds the samples themselves; without, it proposes and you score
    )

    def to_inputs(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Turn raw samples into the very model inputs that the server feeds to a classifier.

        Args:
            raw: [n, *raw_shape], for example from `get_samples`.

        Returns:
            float32 [n, *input_shape].

        Raises:
            samples.SampleError: The samples do not have the pool's raw shape.
        """
        return Preprocessing(
            layout=self._layout,
            raw_dtype=self.raw_dtype.name,
            raw_shape=self.raw_shape,
            scale=self.scale,
            offset=self.offset,
        ).to_input(raw)

    @property
    def _layout(self) -> Layout:
        """How the raw axes are meant; an image whose axes were moved is [H, W, C]."""
        match len(self.raw_shape):
            case 1:
                return "vector"
            case 2:
                return "hw"
        return "chw" if self.raw_shape == self.input_shape else "hwc"


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One labeling project on a pool, as it stood when the server answered."""

    campaign_id: str
    name: str
    pool: str
    create_time: datetime  # UTC
    labeled: int
    leased: int  # handed out and not labeled yet
    unlabeled: int  # neither labeled nor leased
    rounds: int  # selections made so far
    seed: int


@dataclass(frozen=True, kw_only=True)
class ClassifierInfo:
    """What the server found in an uploaded classifier."""

    classifier_id: str  # "sha256:" and the digest of the bytes
    size_bytes: int
    input_shape: tuple[int, ...]
    classes: int  # C; 1 means one logit of a binary classifier
    passes: int  # T; 0 for a deterministic classifier
    has_pullback: bool  # whether the graph carries its gradient
    embedding_dim: int  # 0 without an embedding output
    has_score: bool = False  # whether it gives a score of its own, for Acquisition.OWN_SCORE


@dataclass(frozen=True, kw_only=True)
class Label:
    """One recorded answer of the oracle."""

    pool_id: int
    label: int
    annotator: str
    record_time: datetime  # UTC


@dataclass(frozen=True, kw_only=True)
class LabelPage:
    """A part of a campaign's labels."""

    labels: tuple[Label, ...]
    next_page_token: str  # empty on the last page


@dataclass(frozen=True, kw_only=True)
class LabelsRecorded:
    """The outcome of recording labels."""

    recorded: int  # labels that were new
    labeled: int  # labeled samples of the campaign now


class LabelChange(StrEnum):
    """What happened to a sample's label."""

    RECORDED = "recorded"
    CORRECTED = "corrected"
    RETRACTED = "retracted"


@dataclass(frozen=True, kw_only=True)
class LabelEvent:
    """One entry of the history of a campaign's labels."""

    change: LabelChange
    pool_id: int
    label: int | None  # from then on; None after a retraction
    previous: int | None = None  # until then; worked out by the server in an import
    annotator: str = ""
    time: datetime | None = None  # UTC; None in an import means now


@dataclass(frozen=True, kw_only=True)
class LabelEventPage:
    """A part of the history of a campaign's labels."""

    events: tuple[LabelEvent, ...]
    next_page_token: str  # empty on the last page


@dataclass(frozen=True, kw_only=True)
class LabelsCorrected:
    """The outcome of correcting labels."""

    corrected: int  # labels that are others now
    labeled: int  # labeled samples of the campaign now


@dataclass(frozen=True, kw_only=True)
class LabelsRetracted:
    """The outcome of taking labels back."""

    retracted: int
    labeled: int  # labeled samples of the campaign now


@dataclass(frozen=True, kw_only=True)
class LeaseTerm:
    """One sample that was handed out."""

    pool_id: int
    round: int  # it was handed out in
    lease_time: datetime  # UTC
    expire_time: datetime | None  # UTC, when it goes back by itself; None where it does not


@dataclass(frozen=True, kw_only=True)
class LeasesExtended:
    """The outcome of giving leases more time."""

    extended: int
    not_leased: NDArray[np.uint64]  # ids without such a lease (any more), ascending


@dataclass(frozen=True, kw_only=True)
class Round:
    """One selection of a campaign."""

    round: int  # from 1
    budget: int  # samples it handed out
    time: datetime  # UTC


@dataclass(frozen=True, kw_only=True)
class CampaignImported:
    """The outcome of an import."""

    campaign: Campaign
    skipped: int  # samples that the pool does not hold and that were left out


@dataclass(frozen=True, kw_only=True)
class Dowser:
    """Candidates from several sources, scored up to a bound: the product's own strategy.

    Synthesis climbs the score in the generator's latent space and matches the nearest real samples. A classifier
    without a gradient that the server could derive is climbed without, for ``steps`` scores a latent.
    """

    max_scored: int = 1000  # real candidates scored at most; 0 is plain ASAL: each synthetic sample's match
    shares: Mapping[CandidateSource, float] | Mapping[str, float] | None = (
        None  # parts of max_scored by source, of any sum; None: learned
    )
    random_floor: float | None = None  # least share drawn uniformly while it learns; None: the server's, 0.5
    latents: int | None = None  # optimized together; None: the budget for plain ASAL, else at most 16
    steps: int | None = None  # Adam steps; None: the server's default, 100
    step_size: float | None = None  # Adam step size; None: the server's default, 0.05
    warm_start: float | None = (
        None  # share of latents that start at the last round's best ends; None: the server's, 0.5 (plain ASAL: 0)
    )
    early_stop: float | None = (
        None  # least relative gain over ten steps, 0: every step; None: the server's, 0.04 (plain ASAL: 0)
    )
    latent_prior: float | None = None  # weight of -|z|^2 / 2, in units of the score; None: the server's, 0
    repulsion: float | None = None  # weight of a penalty on latents close together; None: the server's, 0


@dataclass(frozen=True, kw_only=True)
class Exhaustive:
    """Score everything unlabeled: the O(N) reference."""


@dataclass(frozen=True, kw_only=True)
class Random:
    """Uniform without replacement: the passive baseline."""


@dataclass(frozen=True, kw_only=True)
class RandomSubset:
    """The best of a uniform subset: the equal-cost rival."""

    max_scored: int = 1000  # size of the subset, at least the budget


Strategy: TypeAlias = Dowser | Exhaustive | Random | RandomSubset
"""How candidates are found."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How the batch is made of what was scored."""

    rule: BatchRule | str | None = None  # None: the strategy's default
    coldness: float | None = (
        None  # exponent of POWER, inverse temperature of GIBBS; None: the server's default, 1
    )
    shortlist: int | None = (
        None  # candidates, the best by score, that the rule looks at; None: the rule's own
    )
    duplicate_distance: float = (
        0.0  # drop what is closer to a better pick than this, in median nearest distances
    )


@dataclass(frozen=True, kw_only=True)
class Pick:
    """One selected sample and why it was selected."""

    pool_id: int
    score: float | None  # the real sample's acquisition score; None without a classifier
    source: CandidateSource
    synthetic_index: int | None  # the synthetic sample that led here, ...
    synthetic_score: float | None  # ... its own score, ...
    distance: float | None  # ... and the Euclidean feature distance between the two
    predicted_class: int | None


@dataclass(frozen=True, kw_only=True)
class StageTiming:
    """Time spent in one stage of a request."""

    stage: str
    seconds: float
    engine_seconds: float  # the part of it inside ONNX Runtime or FAISS


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What one source was worth."""

    source: CandidateSource
    share: float  # of the scored samples as the policy set it, 0 to 1
    scored: int  # candidates scored that it was the first to propose
    mean_score: float | None  # theirs; None with none
    picked: int  # picks among them
    labeled: int  # its picks of earlier rounds that have labels by now, ...
    contradicted: int  # ... those whose label was not the class predicted, ...
    rarity: float | None  # ... and the mean rarity of their classes, 1 where all have as many labels
    yield_: float | None  # worth of a scored sample by this evidence, 1 for a random one


@dataclass(frozen=True, kw_only=True)
class CaptureEstimate:
    """Mean score of the batch over that of the pool's best batch, estimated from the random draws."""

    value: float
    low: float  # ends of the confidence interval
    high: float
    confidence: float  # its level
    draws: int  # random draws it was made from


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What a selection has to say about itself; empty from a server that says nothing."""

    sources: tuple[SourceReport, ...] = ()  # those that were asked, in the policy's order
    unique_match_rate: float | None = None  # distinct nearest matches per synthetic sample
    redundancy: float | None = (
        None  # part of the picks closer to a better one than half of the random draws are
    )
    capture: CaptureEstimate | None = None  # None with too few random draws, or where scores may be negative
    reasons: tuple[str, ...] = ()  # why the shares are what they are
    warnings: tuple[str, ...] = ()  # what deserves attention


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The answer to "which samples should be labeled next?"."""

    picks: tuple[Pick, ...]  # most informative first
    round: int  # from 1
    timings: tuple[StageTiming, ...]
    total_seconds: float
    scored: int  # real samples scored by the classifier
    visited: int  # pool entries returned by the index before filtering
    index_version: int
    seed: int
    match_gap: float | None  # mean synthetic score minus mean score of its matches; None without synthesis
    synthetic_samples: NDArray[Any] | None  # [S, *input_shape], with return_synthetic
    synthetic_scores: NDArray[np.float32] | None  # [S]
    diagnosis: Diagnosis = field(default_factory=Diagnosis)

    @cached_property
    def pool_ids(self) -> NDArray[np.uint64]:
        """The picked ids, uint64 [budget], most informative first."""
        return _frozen(np.array([pick.pool_id for pick in self.picks], dtype=np.uint64))

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """The real acquisition scores of the picks, float32 [budget]; NaN where a pick has none."""
        values = [np.nan if pick.score is None else pick.score for pick in self.picks]
        return _frozen(np.array(values, dtype=np.float32))


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A sample worth scoring."""

    pool_id: int
    source: CandidateSource
    synthetic_index: int | None  # the synthetic sample that led here, ...
    distance: float | None  # ... and the Euclidean feature distance between the two


@dataclass(frozen=True, kw_only=True, eq=False)
class Proposal:
    """Candidates for the caller to score, leased to the campaign until the commit or a release."""

    proposal_id: str  # what the commit names it by
    candidates: tuple[Candidate, ...]  # in the order in which a selection would score them
    shares: Mapping[CandidateSource, float]  # parts of the candidates as the policy set them
    reasons: tuple[str, ...]  # why they are what they are
    seed: int
    index_version: int
    timings: tuple[StageTiming, ...]
    total_seconds: float
    visited: int  # pool entries returned by the index before filtering
    unique_match_rate: float | None  # distinct nearest matches per synthetic sample
    synthetic_scores: NDArray[np.float32]  # [S], empty without synthesis

    @cached_property
    def pool_ids(self) -> NDArray[np.uint64]:
        """The candidates' ids, uint64 [M]."""
        return _frozen(np.array([each.pool_id for each in self.candidates], dtype=np.uint64))


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplesAdded:
    """What was added to a pool, durably."""

    pool_ids: NDArray[np.uint64]  # [n], in the order the samples were given
    index_version: int  # the first that holds them
    size: int  # of that version


@dataclass(frozen=True, kw_only=True)
class SamplesRemoved:
    """What was removed from a pool, durably."""

    removed: int  # of the ids given, those that were not removed before
    index_version: int  # the first without them
    size: int  # of that version


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbors:
    """The nearest pool samples of each query, nearest first."""

    pool_ids: tuple[NDArray[np.uint64], ...]  # one array [<= k] a query
    distances: tuple[NDArray[np.float32], ...]  # Euclidean, in feature space
    index_version: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Synthesis:
    """Informative synthetic samples."""

    samples: NDArray[Any]  # model inputs [S, *input_shape]
    scores: NDArray[np.float32]  # [S]
    initial_scores: NDArray[np.float32]  # [S], before the ascent
    timings: tuple[StageTiming, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Companions:
    """Reconstructions of labeled samples, to train the next classifier on; the most uncertain samples' first.

    Attributes:
        samples: Model inputs float32 [M, *input_shape].
        pool_ids: The labeled samples they were made of [M].
        labels: Their labels [M].
        scores: Their acquisition scores [M]; None without a classifier.
        companion_scores: The companions' own [M], likewise.
        distances: Euclidean, between sample and companion [M].
        threshold: Least score that was asked for; None where all were.
        examined: Labeled samples looked at.
        uncertain: Of those, samples that met the threshold; beyond the limit they have no companion here.
        unknown_class: Of those, samples whose class the generator does not know.
        timings: Of the server's stages.
    """

    samples: NDArray[Any]
    pool_ids: NDArray[np.uint64]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32] | None
    companion_scores: NDArray[np.float32] | None
    distances: NDArray[np.float32]
    threshold: float | None
    examined: int
    uncertain: int
    unknown_class: int
    timings: tuple[StageTiming, ...]


PoolIds: TypeAlias = Sequence[int] | NDArray[np.integer[Any]]
"""Pool ids as a user has them at hand."""


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """What a server serves after a reload.

    Attributes:
        pool: The pool's name.
        size: How many samples it holds.
        bundle_digest: sha256 of the bundle's manifest, hexadecimal.
        index_digest: sha256 of the index's manifest, hexadecimal.
        index_version: Served now.
        previous_index_version: Served before.
        seconds: Spent opening and verifying.
    """

    pool: str
    size: int
    bundle_digest: str
    index_digest: str
    index_version: int
    previous_index_version: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What a compaction did.

    Attributes:
        pool: The pool's name.
        size: How many samples it holds.
        index_version: Served now.
        compacted_index_version: The one that was compacted; the same where nothing had changed.
        added: Samples that were searched beside the index and are in it now.
        removed: Removed samples that the files still held and the new ones do not.
        seconds: It took.
    """

    pool: str
    size: int
    index_version: int
    compacted_index_version: int
    added: int
    removed: int
    seconds: float


class ScoreJobState(StrEnum):
    """How far a score job is."""

    QUEUED = "queued"
    """Waits for the jobs before it; one runs at a time."""
    RUNNING = "running"
    """Scores, or waits for selections to pass."""
    DONE = "done"
    """Every shard is written."""
    FAILED = "failed"
    """It ended before; `ScoreJob.error` says why."""
    CANCELLED = "cancelled"
    """`cancel_score_job` ended it."""
    UNKNOWN = "unknown"
    """A state that this client is too old to know."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of the job."""
        return self not in (ScoreJobState.QUEUED, ScoreJobState.RUNNING, ScoreJobState.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class ScoreShard:
    """One finished Parquet file of a score job.

    Attributes:
        number: From 0.
        rows: In it; fewer than the shard size where samples were removed from the pool meanwhile.
        size_bytes: Of the file.
        sha256: Of the file, hexadecimal.
    """

    number: int
    rows: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """A pool being scored, or one that was.

    Attributes:
        job_id: Names it.
        pool: The pool.
        classifier_id: The classifier.
        acquisitions: A column each.
        probabilities: Whether class probabilities are written.
        embedding: Whether the classifier's embedding is written.
        shard_size: Samples of a shard.
        state: How far it is.
        size: Samples to score.
        done: Of those, samples in finished shards or removed from the pool.
        shard_count: Files to be written.
        shards: Those that are finished; empty where jobs are listed.
        rows_per_second: Pace; None before the first shard.
        eta_seconds: Time left at that pace; None where unknown.
        error_reason: Why it failed, "" where it did not.
        error: The same in words.
        create_time: When it was started.
        end_time: When it ended; None before.
    """

    job_id: str
    pool: str
    classifier_id: str
    acquisitions: tuple[Acquisition, ...]
    probabilities: bool
    embedding: bool
    shard_size: int
    state: ScoreJobState
    size: int
    done: int
    shard_count: int
    shards: tuple[ScoreShard, ...]
    rows_per_second: float | None
    eta_seconds: float | None
    error_reason: str
    error: str
    create_time: datetime
    end_time: datetime | None


@dataclass(frozen=True, kw_only=True)
class SampleScores:
    """What a classifier says of n samples.

    Attributes:
        scores: Acquisition scores float32 [n] by acquisition function.
        predicted: Most probable classes int64 [n].
        probabilities: float32 [n, C]; None unless asked for.
        embedding: float32 [n, E]; None unless asked for.
    """

    scores: Mapping[Acquisition, NDArray[np.float32]]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    embedding: NDArray[np.float32] | None


@dataclass(frozen=True, kw_only=True)
class SnapshotInfo:
    """A snapshot in the server's snapshots directory.

    Attributes:
        name: Its name there.
        files: Files in it.
        size_bytes: Their bytes together.
        index_version: The index version it holds.
    """

    name: str
    files: int
    size_bytes: int
    index_version: int
