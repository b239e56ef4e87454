from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Classifier(_message.Message):
    __slots__ = ("classifier_id", "size_bytes", "input_shape", "classes", "passes", "has_pullback", "embedding_dim", "has_score")
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INPUT_SHAPE_FIELD_NUMBER: _ClassVar[int]
    CLASSES_FIELD_NUMBER: _ClassVar[int]
    PASSES_FIELD_NUMBER: _ClassVar[int]
    HAS_PULLBACK_FIELD_NUMBER: _ClassVar[int]
    EMBEDDING_DIM_FIELD_NUMBER: _ClassVar[int]
    HAS_SCORE_FIELD_NUMBER: _ClassVar[int]
    classifier_id: str
    size_bytes: int
    input_shape: _containers.RepeatedScalarFieldContainer[int]
    classes: int
    passes: int
    has_pullback: bool
    embedding_dim: int
    has_score: bool
    def __init__(self, classifier_id: _Optional[str] = ..., size_bytes: _Optional[int] = ..., input_shape: _Optional[_Iterable[int]] = ..., classes: _Optional[int] = ..., passes: _Optional[int] = ..., has_pullback: _Optional[bool] = ..., embedding_dim: _Optional[int] = ..., has_score: _Optional[bool] = ...) -> None: ...

class UploadClassifierRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: UploadClassifierHeader
    chunk: bytes
    def __init__(self, header: _Optional[_Union[UploadClassifierHeader, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadClassifierHeader(_message.Message):
    __slots__ = ("pool", "size_bytes", "sha256")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    pool: str
    size_bytes: int
    sha256: str
    def __init__(self, pool: _Optional[str] = ..., size_bytes: _Optional[int] = ..., sha256: _Optional[str] = ...) -> None: ...

class UploadClassifierResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: Classifier
    def __init__(self, classifier: _Optional[_Union[Classifier, _Mapping]] = ...) -> None: ...

class GetClassifierRequest(_message.Message):
    __slots__ = ("classifier_id",)
    CLASSIFIER_ID_FIELD_NUMBER: _ClassVar[int]
    classifier_id: str
    def __init__(self, classifier_id: _Optional[str] = ...) -> None: ...

class GetClassifierResponse(_message.Message):
    __slots__ = ("classifier",)
    CLASSIFIER_FIELD_NUMBER: _ClassVar[int]
    classifier: Classifier
    def __init__(self, classifier: _Optional[_Union[Classifier, _Mapping]] = ...) -> None: ...
