from dowser.v1 import acquisition_pb2 as _acquisition_pb2
from dowser.v1 import campaigns_pb2 as _campaigns_pb2
from dowser.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BatchRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BATCH_RULE_UNSPECIFIED: _ClassVar[BatchRule]
    BATCH_RULE_TOP: _ClassVar[BatchRule]
    BATCH_RULE_POWER: _ClassVar[BatchRule]
    BATCH_RULE_GIBBS: _ClassVar[BatchRule]
    BATCH_RULE_BADGE: _ClassVar[BatchRule]
    BATCH_RULE_K_CENTER: _ClassVar[BatchRule]
    BATCH_RULE_CLUSTER_MARGIN: _ClassVar[BatchRule]
    BATCH_RULE_CLASS_BALANCED: _ClassVar[BatchRule]
    BATCH_RULE_BATCH_BALD: _ClassVar[BatchRule]
    BATCH_RULE_ANCHOR_DISTANCE: _ClassVar[BatchRule]
    BATCH_RULE_ANCHOR_CONFIDENCE: _ClassVar[BatchRule]
BATCH_RULE_UNSPECIFIED: BatchRule
BATCH_RULE_TOP: BatchRule
BATCH_RULE_POWER: BatchRule
BATCH_RULE_GIBBS: BatchRule
BATCH_RULE_BADGE: BatchRule
BATCH_RULE_K_CENTER: BatchRule
BATCH_RULE_CLUSTER_MARGIN: BatchRule
BATCH_RULE_CLASS_BALANCED: BatchRule
BATCH_RULE_BATCH_BALD: BatchRule
BATCH_RULE_ANCHOR_DISTANCE: BatchRule
BATCH_RULE_ANCHOR_CONFIDENCE: BatchRule

class SynthesisOptions(_message.Message):
    __slots__ = ("latents", "steps", "step_size", "warm_start", "early_stop", "latent_prior", "repulsion")
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    WARM_START_FIELD_NUMBER: _ClassVar[int]
    EARLY_STOP_FIELD_NUMBER: _ClassVar[int]
    LATENT_PRIOR_FIELD_NUMBER: _ClassVar[int]
    REPULSION_FIELD_NUMBER: _ClassVar[int]
    latents: int
    steps: int
    step_size: float
    warm_start: float
    early_stop: float
    latent_prior: float
    repulsion: float
    def __init__(self, latents: _Optional[int] = ..., steps: _Optional[int] = ..., step_size: _Optional[float] = ..., warm_start: _Optional[float] = ..., early_stop: _Optional[float] = ..., latent_prior: _Optional[float] = ..., repulsion: _Optional[float] = ...) -> None: ...

class SourceShare(_message.Message):
    __slots__ = ("source", "share")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    source: _acquisition_pb2.CandidateSource
    share: float
    def __init__(self, source: _Optional[_Union[_acquisition_pb2.CandidateSource, str]] = ..., share: _Optional[float] = ...) -> None: ...

class BatchChoice(_message.Message):
    __slots__ = ("rule", "coldness", "shortlist", "duplicate_distance")
    RULE_FIELD_NUMBER: _ClassVar[int]
    COLDNESS_FIELD_NUMBER: _ClassVar[int]
    SHORTLIST_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    rule: BatchRule
    coldness: float
    shortlist: int
    duplicate_distance: float
    def __init__(self, rule: _Optional[_Union[BatchRule, str]] = ..., coldness: _Optional[float] = ..., shortlist: _Optional[int] = ..., duplicate_distance: _Optional[float] = ...) -> None: ...

class DowserStrategy(_message.Message):
    __slots__ = ("synthesis", "max_scored", "shares", "random_floor")
    SYNTHESIS_FIELD_NUMBER: _ClassVar[int]
    MAX_SCORED_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FLOOR_FIELD_NUMBER: _ClassVar[int]
    synthesis: SynthesisOptions
    max_scored: int
    shares: _containers.RepeatedCompositeFieldContainer[SourceShare]
    random_floor: float
    def __init__(self, synthesis: _Optional[_Union[SynthesisOptions, _Mapping]] = ..., max_scored: _Optional[int] = ..., shares: _Optional[_Iterable[_Union[SourceShare, _Mapping]]] = ..., random_floor: _Optional[float] = ...) -> None: ...

class ExhaustiveStrategy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RandomStrategy(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RandomSubsetStrategy(_message.Message):
    __slots__ = ("max_scored",)
    MAX_SCORED_FIELD_NUMBER: _ClassVar[int]
    max_scored: int
    def __init__(self, max_scored: _Optional[int] = ...) -> None: ...

class SelectSamplesRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "classifier_id", "budget", "acquisition", "dowser", "exhaustive", "random", "random_subset", "seed", "min_index_version", "return_synthetic", "batch", "class_prior_weight")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    DOWSER_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTIVE_FIELD_NUMBER: _ClassVar[int]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    RANDOM_SUBSET_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MIN_INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    RETURN_SYNTHETIC_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    CLASS_PRIOR_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    classifier_id: str
    budget: int
    acquisition: _acquisition_pb2.AcquisitionFunction
    dowser: DowserStrategy
    exhaustive: ExhaustiveStrategy
    random: RandomStrategy
    random_subset: RandomSubsetStrategy
    seed: int
    min_index_version: int
    return_synthetic: bool
    batch: BatchChoice
    class_prior_weight: float
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., classifier_id: _Optional[str] = ..., budget: _Optional[int] = ..., acquisition: _Optional[_Union[_acquisition_pb2.AcquisitionFunction, str]] = ..., dowser: _Optional[_Union[DowserStrategy, _Mapping]] = ..., exhaustive: _Optional[_Union[ExhaustiveStrategy, _Mapping]] = ..., random: _Optional[_Union[RandomStrategy, _Mapping]] = ..., random_subset: _Optional[_Union[RandomSubsetStrategy, _Mapping]] = ..., seed: _Optional[int] = ..., min_index_version: _Optional[int] = ..., return_synthetic: _Optional[bool] = ..., batch: _Optional[_Union[BatchChoice, _Mapping]] = ..., class_prior_weight: _Optional[float] = ...) -> None: ...

class Pick(_message.Message):
    __slots__ = ("pool_id", "score", "source", "synthetic_index", "synthetic_score", "distance", "predicted_class")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_INDEX_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_SCORE_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_CLASS_FIELD_NUMBER: _ClassVar[int]
    pool_id: int
    score: float
    source: _acquisition_pb2.CandidateSource
    synthetic_index: int
    synthetic_score: float
    distance: float
    predicted_class: int
    def __init__(self, pool_id: _Optional[int] = ..., score: _Optional[float] = ..., source: _Optional[_Union[_acquisition_pb2.CandidateSource, str]] = ..., synthetic_index: _Optional[int] = ..., synthetic_score: _Optional[float] = ..., distance: _Optional[float] = ..., predicted_class: _Optional[int] = ...) -> None: ...

class StageTiming(_message.Message):
    __slots__ = ("stage", "seconds", "engine_seconds")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENGINE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    seconds: float
    engine_seconds: float
    def __init__(self, stage: _Optional[str] = ..., seconds: _Optional[float] = ..., engine_seconds: _Optional[float] = ...) -> None: ...

class SourceReport(_message.Message):
    __slots__ = ("source", "share", "scored", "mean_score", "picked", "labeled", "contradicted", "rarity")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    MEAN_SCORE_FIELD_NUMBER: _ClassVar[int]
    PICKED_FIELD_NUMBER: _ClassVar[int]
    LABELED_FIELD_NUMBER: _ClassVar[int]
    CONTRADICTED_FIELD_NUMBER: _ClassVar[int]
    RARITY_FIELD_NUMBER: _ClassVar[int]
    YIELD_FIELD_NUMBER: _ClassVar[int]
    source: _acquisition_pb2.CandidateSource
    share: float
    scored: int
    mean_score: float
    picked: int
    labeled: int
    contradicted: int
    rarity: float
    def __init__(self, source: _Optional[_Union[_acquisition_pb2.CandidateSource, str]] = ..., share: _Optional[float] = ..., scored: _Optional[int] = ..., mean_score: _Optional[float] = ..., picked: _Optional[int] = ..., labeled: _Optional[int] = ..., contradicted: _Optional[int] = ..., rarity: _Optional[float] = ..., **kwargs) -> None: ...

class CaptureEstimate(_message.Message):
    __slots__ = ("value", "low", "high", "confidence", "draws")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    DRAWS_FIELD_NUMBER: _ClassVar[int]
    value: float
    low: float
    high: float
    confidence: float
    draws: int
    def __init__(self, value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., confidence: _Optional[float] = ..., draws: _Optional[int] = ...) -> None: ...

class Diagnosis(_message.Message):
    __slots__ = ("sources", "unique_match_rate", "redundancy", "capture", "reasons", "warnings")
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_MATCH_RATE_FIELD_NUMBER: _ClassVar[int]
    REDUNDANCY_FIELD_NUMBER: _ClassVar[int]
    CAPTURE_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    sources: _containers.RepeatedCompositeFieldContainer[SourceReport]
    unique_match_rate: float
    redundancy: float
    capture: CaptureEstimate
    reasons: _containers.RepeatedScalarFieldContainer[str]
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, sources: _Optional[_Iterable[_Union[SourceReport, _Mapping]]] = ..., unique_match_rate: _Optional[float] = ..., redundancy: _Optional[float] = ..., capture: _Optional[_Union[CaptureEstimate, _Mapping]] = ..., reasons: _Optional[_Iterable[str]] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class SelectSamplesResponse(_message.Message):
    __slots__ = ("picks", "round", "timings", "total_seconds", "scored", "visited", "index_version", "seed", "match_gap", "synthetic_samples", "synthetic_scores", "diagnosis")
    PICKS_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    SCORED_FIELD_NUMBER: _ClassVar[int]
    VISITED_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MATCH_GAP_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_SCORES_FIELD_NUMBER: _ClassVar[int]
    DIAGNOSIS_FIELD_NUMBER: _ClassVar[int]
    picks: _containers.RepeatedCompositeFieldContainer[Pick]
    round: int
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    total_seconds: float
    scored: int
    visited: int
    index_version: int
    seed: int
    match_gap: float
    synthetic_samples: _tensors_pb2.Tensor
    synthetic_scores: _containers.RepeatedScalarFieldContainer[float]
    diagnosis: Diagnosis
    def __init__(self, picks: _Optional[_Iterable[_Union[Pick, _Mapping]]] = ..., round: _Optional[int] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ..., total_seconds: _Optional[float] = ..., scored: _Optional[int] = ..., visited: _Optional[int] = ..., index_version: _Optional[int] = ..., seed: _Optional[int] = ..., match_gap: _Optional[float] = ..., synthetic_samples: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., synthetic_scores: _Optional[_Iterable[float]] = ..., diagnosis: _Optional[_Union[Diagnosis, _Mapping]] = ...) -> None: ...

class ProposeSamplesRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "classifier_id", "budget", "acquisition", "strategy", "seed", "min_index_version", "class_prior_weight")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    MIN_INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    CLASS_PRIOR_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    classifier_id: str
    budget: int
    acquisition: _acquisition_pb2.AcquisitionFunction
    strategy: DowserStrategy
    seed: int
    min_index_version: int
    class_prior_weight: float
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., classifier_id: _Optional[str] = ..., budget: _Optional[int] = ..., acquisition: _Optional[_Union[_acquisition_pb2.AcquisitionFunction, str]] = ..., strategy: _Optional[_Union[DowserStrategy, _Mapping]] = ..., seed: _Optional[int] = ..., min_index_version: _Optional[int] = ..., class_prior_weight: _Optional[float] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("pool_id", "source", "synthetic_index", "distance")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_INDEX_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    pool_id: int
    source: _acquisition_pb2.CandidateSource
    synthetic_index: int
    distance: float
    def __init__(self, pool_id: _Optional[int] = ..., source: _Optional[_Union[_acquisition_pb2.CandidateSource, str]] = ..., synthetic_index: _Optional[int] = ..., distance: _Optional[float] = ...) -> None: ...

class ProposeSamplesResponse(_message.Message):
    __slots__ = ("candidates", "shares", "reasons", "seed", "index_version", "timings", "total_seconds", "visited", "unique_match_rate", "latents", "synthetic_scores")
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    SHARES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    VISITED_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_MATCH_RATE_FIELD_NUMBER: _ClassVar[int]
    LATENTS_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_SCORES_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    shares: _containers.RepeatedCompositeFieldContainer[SourceShare]
    reasons: _containers.RepeatedScalarFieldContainer[str]
    seed: int
    index_version: int
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    total_seconds: float
    visited: int
    unique_match_rate: float
    latents: _tensors_pb2.Tensor
    synthetic_scores: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., shares: _Optional[_Iterable[_Union[SourceShare, _Mapping]]] = ..., reasons: _Optional[_Iterable[str]] = ..., seed: _Optional[int] = ..., index_version: _Optional[int] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ..., total_seconds: _Optional[float] = ..., visited: _Optional[int] = ..., unique_match_rate: _Optional[float] = ..., latents: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., synthetic_scores: _Optional[_Iterable[float]] = ...) -> None: ...

class CommitSelectionRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "proposal_id", "budget", "pool_ids", "scores", "probabilities", "embedding", "batch", "acquisition", "class_prior_weight")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PROPOSAL_ID_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    CLASS_PRIOR_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    proposal_id: str
    budget: int
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    probabilities: _tensors_pb2.Tensor
    embedding: _tensors_pb2.Tensor
    batch: BatchChoice
    acquisition: _acquisition_pb2.AcquisitionFunction
    class_prior_weight: float
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., proposal_id: _Optional[str] = ..., budget: _Optional[int] = ..., pool_ids: _Optional[_Iterable[int]] = ..., scores: _Optional[_Iterable[float]] = ..., probabilities: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., embedding: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., batch: _Optional[_Union[BatchChoice, _Mapping]] = ..., acquisition: _Optional[_Union[_acquisition_pb2.AcquisitionFunction, str]] = ..., class_prior_weight: _Optional[float] = ...) -> None: ...

class CommitSelectionResponse(_message.Message):
    __slots__ = ("selection",)
    SELECTION_FIELD_NUMBER: _ClassVar[int]
    selection: SelectSamplesResponse
    def __init__(self, selection: _Optional[_Union[SelectSamplesResponse, _Mapping]] = ...) -> None: ...

class RecordLabelsRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "labels")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    labels: _containers.RepeatedCompositeFieldContainer[_campaigns_pb2.Label]
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[_campaigns_pb2.Label, _Mapping]]] = ...) -> None: ...

class RecordLabelsResponse(_message.Message):
    __slots__ = ("recorded", "labeled")
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    LABELED_FIELD_NUMBER: _ClassVar[int]
    recorded: int
    labeled: int
    def __init__(self, recorded: _Optional[int] = ..., labeled: _Optional[int] = ...) -> None: ...

class ReleaseSamplesRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "pool_ids")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class ReleaseSamplesResponse(_message.Message):
    __slots__ = ("released",)
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    released: int
    def __init__(self, released: _Optional[int] = ...) -> None: ...

class SynthesizeSamplesRequest(_message.Message):
    __slots__ = ("pool", "classifier_id", "acquisition", "synthesis", "seed")
    POOL_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    SYNTHESIS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    pool: str
    classifier_id: str
    acquisition: _acquisition_pb2.AcquisitionFunction
    synthesis: SynthesisOptions
    seed: int
    def __init__(self, pool: _Optional[str] = ..., classifier_id: _Optional[str] = ..., acquisition: _Optional[_Union[_acquisition_pb2.AcquisitionFunction, str]] = ..., synthesis: _Optional[_Union[SynthesisOptions, _Mapping]] = ..., seed: _Optional[int] = ...) -> None: ...

class SynthesizeSamplesResponse(_message.Message):
    __slots__ = ("samples", "scores", "initial_scores", "timings")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    INITIAL_SCORES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    samples: _tensors_pb2.Tensor
    scores: _containers.RepeatedScalarFieldContainer[float]
    initial_scores: _containers.RepeatedScalarFieldContainer[float]
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    def __init__(self, samples: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., scores: _Optional[_Iterable[float]] = ..., initial_scores: _Optional[_Iterable[float]] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ...) -> None: ...
