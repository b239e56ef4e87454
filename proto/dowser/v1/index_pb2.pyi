from dowser.v1 import bundle_pb2 as _bundle_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class QueryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    QUERY_KIND_UNSPECIFIED: _ClassVar[QueryKind]
    QUERY_KIND_HELD_OUT: _ClassVar[QueryKind]
    QUERY_KIND_SYNTHETIC: _ClassVar[QueryKind]

class IdOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ID_ORDER_UNSPECIFIED: _ClassVar[IdOrder]
    ID_ORDER_ROWS: _ClassVar[IdOrder]
    ID_ORDER_ASCENDING: _ClassVar[IdOrder]
    ID_ORDER_ANY: _ClassVar[IdOrder]
QUERY_KIND_UNSPECIFIED: QueryKind
QUERY_KIND_HELD_OUT: QueryKind
QUERY_KIND_SYNTHETIC: QueryKind
ID_ORDER_UNSPECIFIED: IdOrder
ID_ORDER_ROWS: IdOrder
ID_ORDER_ASCENDING: IdOrder
ID_ORDER_ANY: IdOrder

class IndexManifest(_message.Message):
    __slots__ = ("format", "created_unix_seconds", "pool", "size", "feature_dim", "bundle_digest", "preprocessing", "factory", "nlist", "nprobe", "recall_at_10", "recall_queries", "index_version", "files", "versions", "build_seconds", "encoder_sha256", "without_samples", "refine_factor", "recall_query_kind", "held_out_recall_at_10", "recall_target", "memory_budget_bytes", "choice", "id_order")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class BuildSecondsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_DIM_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    FACTORY_FIELD_NUMBER: _ClassVar[int]
    NLIST_FIELD_NUMBER: _ClassVar[int]
    NPROBE_FIELD_NUMBER: _ClassVar[int]
    RECALL_AT_10_FIELD_NUMBER: _ClassVar[int]
    RECALL_QUERIES_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    BUILD_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_SHA256_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_SAMPLES_FIELD_NUMBER: _ClassVar[int]
    REFINE_FACTOR_FIELD_NUMBER: _ClassVar[int]
    RECALL_QUERY_KIND_FIELD_NUMBER: _ClassVar[int]
    HELD_OUT_RECALL_AT_10_FIELD_NUMBER: _ClassVar[int]
    RECALL_TARGET_FIELD_NUMBER: _ClassVar[int]
    MEMORY_BUDGET_BYTES_FIELD_NUMBER: _ClassVar[int]
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    ID_ORDER_FIELD_NUMBER: _ClassVar[int]
    format: int
    created_unix_seconds: int
    pool: str
    size: int
    feature_dim: int
    bundle_digest: str
    preprocessing: _bundle_pb2.Preprocessing
    factory: str
    nlist: int
    nprobe: int
    recall_at_10: float
    recall_queries: int
    index_version: int
    files: _containers.RepeatedCompositeFieldContainer[_bundle_pb2.FileEntry]
    versions: _containers.ScalarMap[str, str]
    build_seconds: _containers.ScalarMap[str, float]
    encoder_sha256: str
    without_samples: bool
    refine_factor: int
    recall_query_kind: QueryKind
    held_out_recall_at_10: float
    recall_target: float
    memory_budget_bytes: int
    choice: str
    id_order: IdOrder
    def __init__(self, format: _Optional[int] = ..., created_unix_seconds: _Optional[int] = ..., pool: _Optional[str] = ..., size: _Optional[int] = ..., feature_dim: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., preprocessing: _Optional[_Union[_bundle_pb2.Preprocessing, _Mapping]] = ..., factory: _Optional[str] = ..., nlist: _Optional[int] = ..., nprobe: _Optional[int] = ..., recall_at_10: _Optional[float] = ..., recall_queries: _Optional[int] = ..., index_version: _Optional[int] = ..., files: _Optional[_Iterable[_Union[_bundle_pb2.FileEntry, _Mapping]]] = ..., versions: _Optional[_Mapping[str, str]] = ..., build_seconds: _Optional[_Mapping[str, float]] = ..., encoder_sha256: _Optional[str] = ..., without_samples: _Optional[bool] = ..., refine_factor: _Optional[int] = ..., recall_query_kind: _Optional[_Union[QueryKind, str]] = ..., held_out_recall_at_10: _Optional[float] = ..., recall_target: _Optional[float] = ..., memory_budget_bytes: _Optional[int] = ..., choice: _Optional[str] = ..., id_order: _Optional[_Union[IdOrder, str]] = ...) -> None: ...
