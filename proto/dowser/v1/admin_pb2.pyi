from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class ReloadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ReloadResponse(_message.Message):
    __slots__ = ("pool", "size", "bundle_digest", "index_digest", "index_version", "previous_index_version", "seconds")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INDEX_DIGEST_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    pool: str
    size: int
    bundle_digest: str
    index_digest: str
    index_version: int
    previous_index_version: int
    seconds: float
    def __init__(self, pool: _Optional[str] = ..., size: _Optional[int] = ..., bundle_digest: _Optional[str] = ..., index_digest: _Optional[str] = ..., index_version: _Optional[int] = ..., previous_index_version: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...

class SnapshotRequest(_message.Message):
    __slots__ = ("request_id", "name")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...

class SnapshotResponse(_message.Message):
    __slots__ = ("name", "files", "size_bytes", "index_version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    files: int
    size_bytes: int
    index_version: int
    def __init__(self, name: _Optional[str] = ..., files: _Optional[int] = ..., size_bytes: _Optional[int] = ..., index_version: _Optional[int] = ...) -> None: ...

class CompactPoolRequest(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: str
    def __init__(self, pool: _Optional[str] = ...) -> None: ...

class CompactPoolResponse(_message.Message):
    __slots__ = ("pool", "size", "index_version", "compacted_index_version", "added", "removed", "seconds")
    POOL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    COMPACTED_INDEX_VERSION_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    pool: str
    size: int
    index_version: int
    compacted_index_version: int
    added: int
    removed: int
    seconds: float
    def __init__(self, pool: _Optional[str] = ..., size: _Optional[int] = ..., index_version: _Optional[int] = ..., compacted_index_version: _Optional[int] = ..., added: _Optional[int] = ..., removed: _Optional[int] = ..., seconds: _Optional[float] = ...) -> None: ...
