"""Values that several answers hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from client.types.acquisition import CandidateSource
from client.types.arrays import frozen
from client.types.timings import StageTiming
from dowser.v1 import acquisition_pb2

T = TypeVar("T")

_SOURCE_PREFIX = "CANDIDATE_SOURCE_"


def timings(messages: Any) -> tuple[StageTiming, ...]:
    """Read where the server's time went."""
    return tuple(
        StageTiming(stage=each.stage, seconds=each.seconds, engine_seconds=each.engine_seconds)
        for each in messages
    )


def source(number: int) -> CandidateSource:
    """Read a candidate's source; one that a newer server added is UNKNOWN, never an error."""
    value = acquisition_pb2.CandidateSource.DESCRIPTOR.values_by_number.get(number)
    return CandidateSource(
        value.name.removeprefix(_SOURCE_PREFIX).lower() if value is not None else "unknown"
    )


def time(timestamp: Timestamp) -> datetime:
    """Read a point in time, in UTC."""
    return timestamp.ToDatetime(tzinfo=UTC)


def array(values: Any, dtype: type[np.generic]) -> NDArray[Any]:
    """Read a repeated field into a read-only array [n]."""
    return frozen(np.array(values, dtype=dtype))


def optional(message: Message, field: str, kind: Callable[[Any], T]) -> T | None:
    """Read an `optional` field, or a message: None where it is unset."""
    return kind(getattr(message, field)) if message.HasField(field) else None
