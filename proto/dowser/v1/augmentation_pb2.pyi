from dowser.v1 import acquisition_pb2 as _acquisition_pb2
from dowser.v1 import selection_pb2 as _selection_pb2
from dowser.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AugmentSamplesRequest(_message.Message):
    __slots__ = ("campaign_id", "classifier_id", "acquisition", "score", "selection_request_id", "pool_ids", "limit")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    ACQUISITION_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SELECTION_REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    classifier_id: str
    acquisition: _acquisition_pb2.AcquisitionFunction
    score: float
    selection_request_id: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    limit: int
    def __init__(self, campaign_id: _Optional[str] = ..., classifier_id: _Optional[str] = ..., acquisition: _Optional[_Union[_acquisition_pb2.AcquisitionFunction, str]] = ..., score: _Optional[float] = ..., selection_request_id: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ..., limit: _Optional[int] = ...) -> None: ...

class AugmentSamplesResponse(_message.Message):
    __slots__ = ("samples", "pool_ids", "labels", "scores", "companion_scores", "distances", "threshold_score", "examined", "uncertain", "unknown_class", "timings")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    COMPANION_SCORES_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_SCORE_FIELD_NUMBER: _ClassVar[int]
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    UNCERTAIN_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_CLASS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    samples: _tensors_pb2.Tensor
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    labels: _containers.RepeatedScalarFieldContainer[int]
    scores: _containers.RepeatedScalarFieldContainer[float]
    companion_scores: _containers.RepeatedScalarFieldContainer[float]
    distances: _containers.RepeatedScalarFieldContainer[float]
    threshold_score: float
    examined: int
    uncertain: int
    unknown_class: int
    timings: _containers.RepeatedCompositeFieldContainer[_selection_pb2.StageTiming]
    def __init__(self, samples: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., pool_ids: _Optional[_Iterable[int]] = ..., labels: _Optional[_Iterable[int]] = ..., scores: _Optional[_Iterable[float]] = ..., companion_scores: _Optional[_Iterable[float]] = ..., distances: _Optional[_Iterable[float]] = ..., threshold_score: _Optional[float] = ..., examined: _Optional[int] = ..., uncertain: _Optional[int] = ..., unknown_class: _Optional[int] = ..., timings: _Optional[_Iterable[_Union[_selection_pb2.StageTiming, _Mapping]]] = ...) -> None: ...
