from dowser.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLE_KIND_UNSPECIFIED: _ClassVar[SampleKind]
    SAMPLE_KIND_RAW: _ClassVar[SampleKind]
    SAMPLE_KIND_FEATURES: _ClassVar[SampleKind]
SAMPLE_KIND_UNSPECIFIED: SampleKind
SAMPLE_KIND_RAW: SampleKind
SAMPLE_KIND_FEATURES: SampleKind

class Pool(_message.Message):
    __slots__ = ("name", "size", "raw_shape", "raw_dtype", "input_shape", "input_min", "input_max", "scale", "offset", "feature_dim", "latent_dim", "index_factory", "recall_at_10", "index_version", "bundle_digest", "added", "removed", "has_samples")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    RAW_SHAPE_FIELD_NUMBER: _ClassVar[int]
    RAW_DTYPE_FIELD_NUMBER: _ClassVar[int]
    INPUT_SHAPE_FIELD_NUMBER: _ClassVar[int]
    INPUT_MIN_FIELD_NUMBER: _ClassVar[int]
    INPUT_MAX_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    FEATURE_DIM_FIELD_NUMBER: _ClassVar[int]
    LATENT_DIM_FIELD_NUMBER: _ClassVar[int]
    INDEX_FACTORY_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_10_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    HAS_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    name: str
    size: int
    raw_shape: _containers.RepeatedScalarFieldContainer[int]
    raw_dtype: _tensors_pb2.DType
    input_shape: _containers.RepeatedScalarFieldContainer[int]
    input_min: float
    input_max: float
    scale: float
    offset: float
    feature_dim: int
    latent_dim: int
    index_factory: str
    recall_at_10: float
    index_version: int
    bundle_digest: str
    added: int
    removed: int
    has_samples: bool
    def __init__(self, name: _Optional[str] = ..., size: _Optional[int] = ..., raw_shape: _Optional[_Iterable[int]] = ..., raw_dtype: _Optional[_Union[_tensors_pb2.DType, str]] = ..., input_shape: _Optional[_Iterable[int]] = ..., input_min: _Optional[float] = ..., input_max: _Optional[float] = ..., scale: _Optional[float] = ..., offset: _Optional[float] = ..., feature_dim: _Optional[int] = ..., latent_dim: _Optional[int] = ..., index_factory: _Optional[str] = ..., recall_at_10: _Optional[float] = ..., index_version: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., added: _Optional[int] = ..., removed: _Optional[int] = ..., has_samples: _Optional[bool] = ...) -> None: ...

class ListPoolsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPoolsResponse(_message.Message):
    __slots__ = ("pools",)
    POOLS_FIELD_NUMBER: _ClassVar[int]
    pools: _containers.RepeatedCompositeFieldContainer[Pool]
    def __init__(self, pools: _Optional[_Iterable[_Union[Pool, _Mapping]]] = ...) -> None: ...

class GetPoolRequest(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: str
    def __init__(self, pool: _Optional[str] = ...) -> None: ...

class GetPoolResponse(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: Pool
    def __init__(self, pool: _Optional[_Union[Pool, _Mapping]] = ...) -> None: ...

class GetSamplesRequest(_message.Message):
    __slots__ = ("pool", "pool_ids")
    POOL_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    pool: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, pool: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class GetSamplesResponse(_message.Message):
    __slots__ = ("samples", "index_version")
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    samples: _tensors_pb2.Tensor
    index_version: int
    def __init__(self, samples: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., index_version: _Optional[int] = ...) -> None: ...

class SearchNeighborsRequest(_message.Message):
    __slots__ = ("pool", "samples", "features", "pool_ids", "k", "campaign_id", "min_index_version")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    MIN_INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    pool: str
    samples: _tensors_pb2.Tensor
    features: _tensors_pb2.Tensor
    pool_ids: PoolIds
    k: int
    campaign_id: str
    min_index_version: int
    def __init__(self, pool: _Optional[str] = ..., samples: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., features: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., pool_ids: _Optional[_Union[PoolIds, _Mapping]] = ..., k: _Optional[int] = ..., campaign_id: _Optional[str] = ..., min_index_version: _Optional[int] = ...) -> None: ...

class PoolIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, ids: _Optional[_Iterable[int]] = ...) -> None: ...

class Neighbors(_message.Message):
    __slots__ = ("pool_ids", "distances")
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    distances: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, pool_ids: _Optional[_Iterable[int]] = ..., distances: _Optional[_Iterable[float]] = ...) -> None: ...

class SearchNeighborsResponse(_message.Message):
    __slots__ = ("results", "index_version")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[Neighbors]
    index_version: int
    def __init__(self, results: _Optional[_Iterable[_Union[Neighbors, _Mapping]]] = ..., index_version: _Optional[int] = ...) -> None: ...

class AddSamplesRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: AddSamplesHeader
    chunk: AddSamplesChunk
    def __init__(self, header: _Optional[_Union[AddSamplesHeader, _Mapping]] = ..., chunk: _Optional[_Union[AddSamplesChunk, _Mapping]] = ...) -> None: ...

class AddSamplesHeader(_message.Message):
    __slots__ = ("request_id", "pool", "count", "kind")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    pool: str
    count: int
    kind: SampleKind
    def __init__(self, request_id: _Optional[str] = ..., pool: _Optional[str] = ..., count: _Optional[int] = ..., kind: _Optional[_Union[SampleKind, str]] = ...) -> None: ...

class AddSamplesChunk(_message.Message):
    __slots__ = ("values", "pool_ids")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    values: _tensors_pb2.Tensor
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Union[_tensors_pb2.Tensor, _Mapping]] = ..., pool_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class AddSamplesResponse(_message.Message):
    __slots__ = ("pool_ids", "index_version", "size")
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    index_version: int
    size: int
    def __init__(self, pool_ids: _Optional[_Iterable[int]] = ..., index_version: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class RemoveSamplesRequest(_message.Message):
    __slots__ = ("request_id", "pool", "pool_ids")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    pool: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, request_id: _Optional[str] = ..., pool: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ...) -> None: ...

class RemoveSamplesResponse(_message.Message):
    __slots__ = ("removed", "index_version", "size")
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    removed: int
    index_version: int
    size: int
    def __init__(self, removed: _Optional[int] = ..., index_version: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...
