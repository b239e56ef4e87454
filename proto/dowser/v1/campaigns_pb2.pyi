import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class LabelChange(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LABEL_CHANGE_UNSPECIFIED: _ClassVar[LabelChange]
    LABEL_CHANGE_RECORDED: _ClassVar[LabelChange]
    LABEL_CHANGE_CORRECTED: _ClassVar[LabelChange]
    LABEL_CHANGE_RETRACTED: _ClassVar[LabelChange]
LABEL_CHANGE_UNSPECIFIED: LabelChange
LABEL_CHANGE_RECORDED: LabelChange
LABEL_CHANGE_CORRECTED: LabelChange
LABEL_CHANGE_RETRACTED: LabelChange

class Campaign(_message.Message):
    __slots__ = ("campaign_id", "name", "pool", "create_time", "labeled", "leased", "unlabeled", "rounds", "seed")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LABELED_FIELD_NUMBER: _ClassVar[int]
    LEASED_FIELD_NUMBER: _ClassVar[int]
    UNLABELED_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    name: str
    pool: str
    create_time: _timestamp_pb2.Timestamp
    labeled: int
    leased: int
    unlabeled: int
    rounds: int
    seed: int
    def __init__(self, campaign_id: _Optional[str] = ..., name: _Optional[str] = ..., pool: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labeled: _Optional[int] = ..., leased: _Optional[int] = ..., unlabeled: _Optional[int] = ..., rounds: _Optional[int] = ..., seed: _Optional[int] = ...) -> None: ...

class CreateCampaignRequest(_message.Message):
    __slots__ = ("request_id", "name", "pool", "seed")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    pool: str
    seed: int
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., pool: _Optional[str] = ..., seed: _Optional[int] = ...) -> None: ...

class CreateCampaignResponse(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class GetCampaignRequest(_message.Message):
    __slots__ = ("campaign_id",)
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    def __init__(self, campaign_id: _Optional[str] = ...) -> None: ...

class GetCampaignResponse(_message.Message):
    __slots__ = ("campaign",)
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ...) -> None: ...

class ListCampaignsRequest(_message.Message):
    __slots__ = ("pool",)
    POOL_FIELD_NUMBER: _ClassVar[int]
    pool: str
    def __init__(self, pool: _Optional[str] = ...) -> None: ...

class ListCampaignsResponse(_message.Message):
    __slots__ = ("campaigns",)
    CAMPAIGNS_FIELD_NUMBER: _ClassVar[int]
    campaigns: _containers.RepeatedCompositeFieldContainer[Campaign]
    def __init__(self, campaigns: _Optional[_Iterable[_Union[Campaign, _Mapping]]] = ...) -> None: ...

class DeleteCampaignRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ...) -> None: ...

class DeleteCampaignResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Label(_message.Message):
    __slots__ = ("pool_id", "label", "annotator", "record_time")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    pool_id: int
    label: int
    annotator: str
    record_time: _timestamp_pb2.Timestamp
    def __init__(self, pool_id: _Optional[int] = ..., label: _Optional[int] = ..., annotator: _Optional[str] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListLabelsRequest(_message.Message):
    __slots__ = ("campaign_id", "page_size", "page_token")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    page_size: int
    page_token: str
    def __init__(self, campaign_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLabelsResponse(_message.Message):
    __slots__ = ("labels", "next_page_token")
    LABELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    next_page_token: str
    def __init__(self, labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListLeasesRequest(_message.Message):
    __slots__ = ("campaign_id",)
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    def __init__(self, campaign_id: _Optional[str] = ...) -> None: ...

class ListLeasesResponse(_message.Message):
    __slots__ = ("pool_ids", "terms")
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    terms: _containers.RepeatedCompositeFieldContainer[LeaseTerm]
    def __init__(self, pool_ids: _Optional[_Iterable[int]] = ..., terms: _Optional[_Iterable[_Union[LeaseTerm, _Mapping]]] = ...) -> None: ...

class LeaseTerm(_message.Message):
    __slots__ = ("pool_id", "round", "lease_time", "expire_time")
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    LEASE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    pool_id: int
    round: int
    lease_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    def __init__(self, pool_id: _Optional[int] = ..., round: _Optional[int] = ..., lease_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ExtendLeasesRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "pool_ids", "seconds", "round")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROUND_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    seconds: float
    round: int
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ..., seconds: _Optional[float] = ..., round: _Optional[int] = ...) -> None: ...

class ExtendLeasesResponse(_message.Message):
    __slots__ = ("extended", "not_leased")
    EXTENDED_FIELD_NUMBER: _ClassVar[int]
    NOT_LEASED_FIELD_NUMBER: _ClassVar[int]
    extended: int
    not_leased: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, extended: _Optional[int] = ..., not_leased: _Optional[_Iterable[int]] = ...) -> None: ...

class CorrectLabelsRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "labels")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ...) -> None: ...

class CorrectLabelsResponse(_message.Message):
    __slots__ = ("corrected", "labeled")
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    LABELED_FIELD_NUMBER: _ClassVar[int]
    corrected: int
    labeled: int
    def __init__(self, corrected: _Optional[int] = ..., labeled: _Optional[int] = ...) -> None: ...

class RetractLabelsRequest(_message.Message):
    __slots__ = ("request_id", "campaign_id", "pool_ids", "annotator")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    POOL_IDS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    campaign_id: str
    pool_ids: _containers.RepeatedScalarFieldContainer[int]
    annotator: str
    def __init__(self, request_id: _Optional[str] = ..., campaign_id: _Optional[str] = ..., pool_ids: _Optional[_Iterable[int]] = ..., annotator: _Optional[str] = ...) -> None: ...

class RetractLabelsResponse(_message.Message):
    __slots__ = ("retracted", "labeled")
    RETRACTED_FIELD_NUMBER: _ClassVar[int]
    LABELED_FIELD_NUMBER: _ClassVar[int]
    retracted: int
    labeled: int
    def __init__(self, retracted: _Optional[int] = ..., labeled: _Optional[int] = ...) -> None: ...

class LabelEvent(_message.Message):
    __slots__ = ("change", "pool_id", "label", "previous", "annotator", "time")
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    POOL_ID_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    ANNOTATOR_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    change: LabelChange
    pool_id: int
    label: int
    previous: int
    annotator: str
    time: _timestamp_pb2.Timestamp
    def __init__(self, change: _Optional[_Union[LabelChange, str]] = ..., pool_id: _Optional[int] = ..., label: _Optional[int] = ..., previous: _Optional[int] = ..., annotator: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListLabelHistoryRequest(_message.Message):
    __slots__ = ("campaign_id", "page_size", "page_token")
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    page_size: int
    page_token: str
    def __init__(self, campaign_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListLabelHistoryResponse(_message.Message):
    __slots__ = ("events", "next_page_token")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[LabelEvent]
    next_page_token: str
    def __init__(self, events: _Optional[_Iterable[_Union[LabelEvent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Round(_message.Message):
    __slots__ = ("round", "budget", "time")
    ROUND_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    round: int
    budget: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, round: _Optional[int] = ..., budget: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListRoundsRequest(_message.Message):
    __slots__ = ("campaign_id",)
    CAMPAIGN_ID_FIELD_NUMBER: _ClassVar[int]
    campaign_id: str
    def __init__(self, campaign_id: _Optional[str] = ...) -> None: ...

class ListRoundsResponse(_message.Message):
    __slots__ = ("rounds",)
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    rounds: _containers.RepeatedCompositeFieldContainer[Round]
    def __init__(self, rounds: _Optional[_Iterable[_Union[Round, _Mapping]]] = ...) -> None: ...

class ImportCampaignHeader(_message.Message):
    __slots__ = ("request_id", "name", "pool", "seed", "skip_unknown")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    POOL_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    SKIP_UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    name: str
    pool: str
    seed: int
    skip_unknown: bool
    def __init__(self, request_id: _Optional[str] = ..., name: _Optional[str] = ..., pool: _Optional[str] = ..., seed: _Optional[int] = ..., skip_unknown: _Optional[bool] = ...) -> None: ...

class ImportCampaignChunk(_message.Message):
    __slots__ = ("events", "leases", "rounds")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    LEASES_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[LabelEvent]
    leases: _containers.RepeatedCompositeFieldContainer[LeaseTerm]
    rounds: _containers.RepeatedCompositeFieldContainer[Round]
    def __init__(self, events: _Optional[_Iterable[_Union[LabelEvent, _Mapping]]] = ..., leases: _Optional[_Iterable[_Union[LeaseTerm, _Mapping]]] = ..., rounds: _Optional[_Iterable[_Union[Round, _Mapping]]] = ...) -> None: ...

class ImportCampaignRequest(_message.Message):
    __slots__ = ("header", "chunk")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    header: ImportCampaignHeader
    chunk: ImportCampaignChunk
    def __init__(self, header: _Optional[_Union[ImportCampaignHeader, _Mapping]] = ..., chunk: _Optional[_Union[ImportCampaignChunk, _Mapping]] = ...) -> None: ...

class ImportCampaignResponse(_message.Message):
    __slots__ = ("campaign", "skipped")
    CAMPAIGN_FIELD_NUMBER: _ClassVar[int]
    SKIPPED_FIELD_NUMBER: _ClassVar[int]
    campaign: Campaign
    skipped: int
    def __init__(self, campaign: _Optional[_Union[Campaign, _Mapping]] = ..., skipped: _Optional[int] = ...) -> None: ...
