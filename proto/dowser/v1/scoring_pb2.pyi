import datetime

from dowser.v1 import acquisition_pb2 as _acquisition_pb2
from dowser.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoreJobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORE_JOB_STATE_UNSPECIFIED: _ClassVar[ScoreJobState]
    SCORE_JOB_STATE_QUEUED: _ClassVar[ScoreJobState]
    SCORE_JOB_STATE_RUNNING: _ClassVar[ScoreJobState]
    SCORE_JOB_STATE_DONE: _ClassVar[ScoreJobState]
    SCORE_JOB_STATE_FAILED: _ClassVar[ScoreJobState]
    SCORE_JOB_STATE_CANCELLED: _ClassVar[ScoreJobState]
SCORE_JOB_STATE_UNSPECIFIED: ScoreJobState
SCORE_JOB_STATE_QUEUED: ScoreJobState
SCORE_JOB_STATE_RUNNING: ScoreJobState
SCORE_JOB_STATE_DONE: ScoreJobState
SCORE_JOB_STATE_FAILED: ScoreJobState
SCORE_JOB_STATE_CANCELLED: ScoreJobState

class ScoreShard(_message.Message):
    __slots__ = ("number", "rows", "size_bytes", "sha256")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    number: int
    rows: int
    size_bytes: int
    sha256: str
    def __init__(self, number: _Optional[int] = ..., rows: _Optional[int] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class ScoreJob(_message.Message):
    __slots__ = ("job_id", "pool", "classifier_id", "acquisitions", "probabilities", "embedding", "shard_size", "state", "size", "done", "shard_count", "shards", "rows_per_second", "eta_seconds", "error_reason", "error", "create_time", "end_time")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    ACQUISITIONS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    SHARD_SIZE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    SHARD_COUNT_FIELD_NUMBER: _ClassVar[int]
    SHARDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    ETA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ERROR_REASON_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    pool: str
    classifier_id: str
    acquisitions: _containers.RepeatedScalarFieldContainer[_acquisition_pb2.AcquisitionFunction]
    probabilities: bool
    embedding: bool
    shard_size: int
    state: ScoreJobState
    size: int
    done: int
    shard_count: int
    shards: _containers.RepeatedCompositeFieldContainer[ScoreShard]
    rows_per_second: float
    eta_seconds: float
    error_reason: str
    error: str
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    def __init__(self, job_id: _Optional[str] = ..., pool: _Optional[str] = ..., classifier_id: _Optional[str] = ..., acquisitions: _Optional[_Iterable[_Union[_acquisition_pb2.AcquisitionFunction, str]]] = ..., probabilities: _Optional[bool] = ..., embedding: _Optional[bool] = ..., shard_size: _Optional[int] = ..., state: _Optional[_Union[ScoreJobState, str]] = ..., size: _Optional[int] = ..., done: _Optional[int] = ..., shard_count: _Optional[int] = ..., shards: _Optional[_Iterable[_Union[ScoreShard, _Mapping]]] = ..., rows_per_second: _Optional[float] = ..., eta_seconds: _Optional[float] = ..., error_reason: _Optional[str] = ..., error: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class StartScorePoolRequest(_message.Message):
    __slots__ = ("request_id", "pool", "pool_ids", "classifier_id", "acquisitions", "probabilities", "embedding", "shard_size")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    ACQUISITIONS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    SHARD_SIZE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    pool: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    classifier_id: str
    acquisitions: _containers.RepeatedScalarFieldContainer[_acquisition_pb2.AcquisitionFunction]
    probabilities: bool
    embedding: bool
    shard_size: int
    def __init__(self, request_id: _Optional[str] = ..., pool: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ..., classifier_id: _Optional[str] = ..., acquisitions: _Optional[_Iterable[_Union[_acquisition_pb2.AcquisitionFunction, str]]] = ..., probabilities: _Optional[bool] = ..., embedding: _Optional[bool] = ..., shard_size: _Optional[int] = ...) -> None: ...

class StartScorePoolResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: ScoreJob
    def __init__(self, job: _Optional[_Union[ScoreJob, _Mapping]] = ...) -> None: ...

class GetScoreJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class GetScoreJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: ScoreJob
    def __init__(self, job: _Optional[_Union[ScoreJob, _Mapping]] = ...) -> None: ...

class ListScoreJobsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListScoreJobsResponse(_message.Message):
    __slots__ = ("jobs",)
    JOBS_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[ScoreJob]
    def __init__(self, jobs: _Optional[_Iterable[_Union[ScoreJob, _Mapping]]] = ...) -> None: ...

class CancelScoreJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelScoreJobResponse(_message.Message):
    __slots__ = ("job",)
    JOB_FIELD_NUMBER: _ClassVar[int]
    job: ScoreJob
    def __init__(self, job: _Optional[_Union[ScoreJob, _Mapping]] = ...) -> None: ...

class ReadScoreShardRequest(_message.Message):
    __slots__ = ("job_id", "shard", "offset")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    SHARD_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    shard: int
    offset: int
    def __init__(self, job_id: _Optional[str] = ..., shard: _Optional[int] = ..., offset: _Optional[int] = ...) -> None: ...

class ReadScoreShardResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ScoreSamplesRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ScoreSamplesHeader
    chunk: ScoreSamplesChunk
    def __init__(self, header: _Optional[_Union[ScoreSamplesHeader, _Mapping]] = ..., chunk: _Optional[_Union[ScoreSamplesChunk, _Mapping]] = ...) -> None: ...

class ScoreSamplesHeader(_message.Message):
    __slots__ = ("pool", "classifier_id", "acquisitions", "probabilities", "embedding")
    POOL_FIELD_NUMBER: _ClassVar[int]
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    ACQUISITIONS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    pool: str
    classifier_id: str
    acquisitions: _containers.RepeatedScalarFieldContainer[_acquisition_pb2.AcquisitionFunction]
    probabilities: bool
    embedding: bool
    def __init__(self, pool: _Optional[str] = ..., classifier_id: _Optional[str] = ..., acquisitions: _Optional[_Iterable[_Union[_acquisition_pb2.AcquisitionFunction, str]]] = ..., probabilities: _Optional[bool] = ..., embedding: _Optional[bool] = ...) -> None: ...

class SampleIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class ScoreSamplesChunk(_message.Message):
    __slots__ = ("pool_ids", "values")
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    pool_ids: SampleIds
    values: _tensors_pb2.Tensor
    def __init__(self, pool_ids: _Optional[_Union[SampleIds, _Mapping]] = ..., values: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ...) -> None: ...

class ScoreSamplesResponse(_message.Message):
    __slots__ = ("scores", "predicted", "probabilities", "embedding")
    SCORES_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_FIELD_NUMBER: _ClassVar[int]
    scores: _tensors_pb2.Tensor
    predicted: _containers.RepeatedScalarFieldContainer[int]
    probabilities: _tensors_pb2.Tensor
    embedding: _tensors_pb2.Tensor
    def __init__(self, scores: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., predicted: _Optional[_Iterable[int]] = ..., probabilities: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., embedding: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ...) -> None: ...
