from dowser.v1 import tensors_pb2 as _tensors_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleLayout(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SAMPLE_LAYOUT_UNSPECIFIED: _ClassVar[SampleLayout]
    SAMPLE_LAYOUT_HW: _ClassVar[SampleLayout]
    SAMPLE_LAYOUT_HWC: _ClassVar[SampleLayout]
    SAMPLE_LAYOUT_CHW: _ClassVar[SampleLayout]
    SAMPLE_LAYOUT_VECTOR: _ClassVar[SampleLayout]
SAMPLE_LAYOUT_UNSPECIFIED: SampleLayout
SAMPLE_LAYOUT_HW: SampleLayout
SAMPLE_LAYOUT_HWC: SampleLayout
SAMPLE_LAYOUT_CHW: SampleLayout
SAMPLE_LAYOUT_VECTOR: SampleLayout

class Preprocessing(_message.Message):
    __slots__ = ("layout", "raw_dtype", "raw_shape", "scale", "offset")
    LAYOUT_FIELD_NUMBER: _ClassVar[int]
    RAW_DTYPE_FIELD_NUMBER: _ClassVar[int]
    RAW_SHAPE_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    layout: SampleLayout
    raw_dtype: _tensors_pb2.DType
    raw_shape: _containers.RepeatedScalarFieldContainer[int]
    scale: float
    offset: float
    def __init__(self, layout: _Optional[_Union[SampleLayout, str]] = ..., raw_dtype: _Optional[_Union[_tensors_pb2.DType, str]] = ..., raw_shape: _Optional[_Iterable[int]] = ..., scale: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...

class FileEntry(_message.Message):
    __slots__ = ("name", "size_bytes", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    size_bytes: int
    sha256: str
    def __init__(self, name: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class BundleManifest(_message.Message):
    __slots__ = ("format", "created_unix_seconds", "input_shape", "input_min", "input_max", "preprocessing", "latent_dim", "feature_dim", "generator", "features", "files", "training", "metrics", "versions", "posterior_dim", "class_names")
    class TrainingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    CREATED_UNIX_SECONDS_FIELD_NUMBER: _ClassVar[int]
    INPUT_SHAPE_FIELD_NUMBER: _ClassVar[int]
    INPUT_MIN_FIELD_NUMBER: _ClassVar[int]
    INPUT_MAX_FIELD_NUMBER: _ClassVar[int]
    PREPROCESSING_FIELD_NUMBER: _ClassVar[int]
    LATENT_DIM_FIELD_NUMBER: _ClassVar[int]
    FEATURE_DIM_FIELD_NUMBER: _ClassVar[int]
    GENERATOR_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    POSTERIOR_DIM_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAMES_FIELD_NUMBER: _ClassVar[int]
    format: int
    created_unix_seconds: int
    input_shape: _containers.RepeatedScalarFieldContainer[int]
    input_min: float
    input_max: float
    preprocessing: Preprocessing
    latent_dim: int
    feature_dim: int
    generator: str
    features: str
    files: _containers.RepeatedCompositeFieldContainer[FileEntry]
    training: _containers.ScalarMap[str, str]
    metrics: _containers.ScalarMap[str, float]
    versions: _containers.ScalarMap[str, str]
    posterior_dim: int
    class_names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, format: _Optional[int] = ..., created_unix_seconds: _Optional[int] = ..., input_shape: _Optional[_Iterable[int]] = ..., input_min: _Optional[float] = ..., input_max: _Optional[float] = ..., preprocessing: _Optional[_Union[Preprocessing, _Mapping]] = ..., latent_dim: _Optional[int] = ..., feature_dim: _Optional[int] = ..., generator: _Optional[str] = ..., features: _Optional[str] = ..., files: _Optional[_Iterable[_Union[FileEntry, _Mapping]]] = ..., training: _Optional[_Mapping[str, str]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., versions: _Optional[_Mapping[str, str]] = ..., posterior_dim: _Optional[int] = ..., class_names: _Optional[_Iterable[str]] = ...) -> None: ...
